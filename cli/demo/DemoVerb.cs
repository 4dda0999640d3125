using System.CommandLine;

namespace ImageFs.Cli.Demo;

internal static class DemoVerb
{
    public static Command Build(Stdio io)
    {
        Option<string?> keep = new("--keep") { Description = "make the image in this folder and leave it there", HelpName = "DIR" };
        Option<int?> seed = new("--seed") { Description = "repeat the random choices of an earlier run", HelpName = "N" };
        Option<bool> alone = Common("--no-judges", "do not ask xfs_repair and the kernel");
        Command command = new("demo", "The whole story on an image of its own: make, fill, clone, copy on write, dedupe, pull the plug, recover, check, damage, find.")
        {
            keep, seed, alone,
        };
        command.SetAction(parsed => Run(parsed.GetValue(keep), parsed.GetValue(seed) ?? Random.Shared.Next(1, 1_000_000), !parsed.GetValue(alone), io));
        return command;

        static Option<bool> Common(string name, string what) => Verbs.Common.Flag(name, what);
    }

    private static int Run(string? keep, int seed, bool judges, Stdio io)
    {
        string folder = keep is null ? Directory.CreateTempSubdirectory("imagefs-demo-").FullName : Directory.CreateDirectory(keep).FullName;
        string image = Path.Combine(folder, "demo.img");
        if (keep is not null && File.Exists(image)) throw new IOException($"'{image}' exists already");
        try
        {
            Narrator narrator = new(io);
            new Story(narrator, folder, image, seed, judges).Tell();
            narrator.End(keep is null ? null : $"The image stays: imagefs ls -R {image}");
            return narrator.Failures == 0 ? 0 : CommandLine.Failed;
        }
        finally
        {
            if (keep is null) Directory.Delete(folder, recursive: true);
        }
    }
}
