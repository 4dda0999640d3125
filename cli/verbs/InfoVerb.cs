using System.CommandLine;
using System.Text.Json;
using ImageFs.Format;

namespace ImageFs.Cli.Verbs;

internal static class InfoVerb
{
    public static Command Build(Stdio io)
    {
        Argument<string> image = Common.Image();
        Option<bool> json = Common.Flag("--json", "as one JSON object");
        Command command = new("info", "Tells sizes, features, counters and the state of the log; the image is not touched.") { json, image };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(image), parsed.GetValue(json), io));
        return command;
    }

    /// <returns>0 also for an image that cannot be opened: then it says why.</returns>
    public static int Run(string image, bool json, Stdio io)
    {
        ImageInfo info = ImageInfo.Of(image);
        if (json) WriteJson(info, io);
        else WriteText(info, io.Text);
        return 0;
    }

    private static void WriteText(ImageInfo info, TextWriter text)
    {
        (Geometry g, Superblock sb) = (info.Geometry, info.Superblock);
        string label = sb.Label.ToString();
        Line("image", $"{info.Path}, {Sizes.Human(info.FileBytes)}, XFS version {sb.Version}{(label.Length == 0 ? "" : $", label '{label}'")}");
        Line("uuid", $"{g.Uuid}{(sb.Has(IncompatFeatures.MetaUuid) ? $", metadata {g.MetaUuid}" : "")}");
        Line("blocks", $"{g.BlockSize} bytes, {g.DataBlocks:N0} in {Sizes.Count(g.AgCount, "group")} of {g.AgBlocks:N0}; sectors {g.SectorSize} bytes");
        if (sb.StripeUnit != 0) Line("stripe", $"unit {sb.StripeUnit.Value} blocks, width {sb.StripeWidth.Value} blocks");
        Line("inodes", $"{g.InodeSize} bytes, at most {sb.InodeMaxPercent}% of the space");
        Line("names", $"directory blocks of {g.DirectoryBlockSize} bytes");
        Line("log", $"{g.LogBlocks:N0} blocks, {Sizes.Human(g.LogBytes)}, {(sb.LogStart == 0 ? "external" : $"in group {g.AgOf(g.LogStart)}")}, {info.LogState}");
        Line("features", string.Join(" ", info.Features));
        if (info.Statistics is { } s)
        {
            Line("space", $"{s.FreeBlocks:N0} of {s.Blocks:N0} blocks free, {Sizes.Human((long)s.FreeBlocks * s.BlockSize)}");
            Line("files", $"{s.Inodes - s.FreeInodes:N0} inodes in use, {s.FreeInodes:N0} more allocated");
        }
        Line("opens", info.Access switch
        {
            Support.Write => "for reading and writing",
            Support.Read => $"for reading only: {info.Reason}",
            _ => $"not at all: {info.Reason}",
        });

        void Line(string name, string what) => text.WriteLine($"{name,-9} {what}");
    }

    private static void WriteJson(ImageInfo info, Stdio io)
    {
        (Geometry g, Superblock sb) = (info.Geometry, info.Superblock);
        io.Text.Flush();
        using (Utf8JsonWriter json = new(io.Output, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteString("image", info.Path);
            json.WriteNumber("image_bytes", info.FileBytes);
            json.WriteNumber("version", sb.Version);
            json.WriteString("label", sb.Label.ToString());
            json.WriteString("uuid", g.Uuid.ToString());
            json.WriteString("meta_uuid", g.MetaUuid.ToString());
            json.WriteNumber("block_size", g.BlockSize);
            json.WriteNumber("sector_size", g.SectorSize);
            json.WriteNumber("inode_size", g.InodeSize);
            json.WriteNumber("directory_block_size", g.DirectoryBlockSize);
            json.WriteNumber("blocks", g.DataBlocks);
            json.WriteNumber("groups", g.AgCount);
            json.WriteNumber("group_blocks", g.AgBlocks);
            json.WriteNumber("stripe_unit_blocks", sb.StripeUnit.Value);
            json.WriteNumber("stripe_width_blocks", sb.StripeWidth.Value);
            json.WriteNumber("inode_max_percent", sb.InodeMaxPercent);
            json.WriteNumber("log_blocks", g.LogBlocks);
            json.WriteNumber("log_start_block", sb.LogStart.Value);
            json.WriteStartArray("features");
            foreach (string name in info.Features) json.WriteStringValue(name);
            json.WriteEndArray();
            json.WriteString("access", info.Access switch { Support.Write => "write", Support.Read => "read", _ => "refused" });
            json.WriteString("reason", info.Reason);
            if (info.Statistics is { } s)
            {
                json.WriteNumber("data_blocks", s.Blocks);
                json.WriteNumber("free_blocks", s.FreeBlocks);
                json.WriteNumber("inodes", s.Inodes);
                json.WriteNumber("free_inodes", s.FreeInodes);
            }
            if (info.Log is { } log)
            {
                json.WriteStartObject("log");
                json.WriteBoolean("clean", log.WasClean);
                json.WriteString("head", log.Position.HeadLsn.ToString());
                json.WriteString("tail", log.Position.Tail.ToString());
                json.WriteNumber("transactions", log.Transactions);
                json.WriteNumber("intents", log.PendingIntents.Count);
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        io.Output.WriteByte((byte)'\n');
    }
}
