using System.CommandLine;
using System.Text.Json;
using ImageFs.Format;

namespace ImageFs.Cli.Verbs;

internal static class MapVerb
{
    public static Command Build(Stdio io)
    {
        (Argument<string> image, Argument<string> path) = (Common.Image(), Common.One("PATH", "a regular file in the image"));
        Option<bool> json = Common.Flag("--json", "as a JSON array, one object an extent; holes are left out");
        Command command = new("map", "Tells where the contents of a file lie, extent by extent, and which are shared.") { json, image, path };
        command.SetAction(parsed =>
        {
            using FileSystem fs = FileSystem.Open(parsed.GetRequiredValue(image));
            using XfsFile file = fs.OpenFile(parsed.GetRequiredValue(path));
            if (parsed.GetValue(json)) WriteJson(fs.Geometry, file, io);
            else WriteTable(fs.Geometry, file, io.Text);
            return 0;
        });
        return command;
    }

    private static void WriteTable(Geometry g, XfsFile file, TextWriter text)
    {
        text.WriteLine(Invariant($"{"offset",16} {"length",14} {"in the image",16} {"group",6} {"block",10}  flags"));
        long end = 0;
        foreach (FileExtent x in file.GetExtents())
        {
            Hole(end, x.Offset);
            (AgNumber group, AgBlock block) = Place(g, x);
            string flags = string.Join(' ', new[] { x.Shared ? "shared" : "", x.Unwritten ? "unwritten" : "", x.Offset >= file.Length ? "behind the end" : "" }.Where(f => f.Length > 0));
            text.WriteLine(Invariant($"{x.Offset,16} {x.Length,14} {x.Physical,16} {group.Value,6} {block.Value,10}  {flags}").TrimEnd());
            end = x.Offset + x.Length;
        }
        long size = file.Length;
        Hole(end, (size + g.BlockSize - 1) / g.BlockSize * g.BlockSize);

        void Hole(long from, long to)
        {
            if (to > from) text.WriteLine(Invariant($"{from,16} {to - from,14} {"hole",16}"));
        }
    }

    private static void WriteJson(Geometry g, XfsFile file, Stdio io)
    {
        io.Text.Flush();
        using (Utf8JsonWriter json = new(io.Output, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartArray();
            foreach (FileExtent x in file.GetExtents())
            {
                (AgNumber group, AgBlock block) = Place(g, x);
                json.WriteStartObject();
                json.WriteNumber("offset", x.Offset);
                json.WriteNumber("length", x.Length);
                json.WriteNumber("physical", x.Physical);
                json.WriteNumber("group", group.Value);
                json.WriteNumber("block", block.Value);
                json.WriteBoolean("shared", x.Shared);
                json.WriteBoolean("unwritten", x.Unwritten);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        io.Output.WriteByte((byte)'\n');
    }

    private static (AgNumber, AgBlock) Place(Geometry g, in FileExtent extent)
    {
        ulong block = (ulong)extent.Physical >> g.BlockLog;
        return (new AgNumber((uint)(block / g.AgBlocks)), new AgBlock((uint)(block % g.AgBlocks)));
    }

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
