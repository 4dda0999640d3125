using ImageFs.Fsck;
using Spectre.Console;

namespace ImageFs.Cli.Verbs;

/// <summary>The checker's own command line, with a bar for whoever watches and an ear for Ctrl-C.</summary>
internal static class FsckVerb
{
    public static int Run(string[] args, Stdio io)
    {
        // A repair has changed nothing yet, or ends what it has begun.
        using Interrupt stop = new();
        if (!io.IsTerminal || Console.IsErrorRedirected || args.Contains("-q")) return FsckProgram.Run(args, io.Text, io.Error, null, stop.Token);
        // What is said is held back until the bar is gone.
        StringWriter said = new(), complained = new();
        int exit = WithBar(watch => FsckProgram.Run(args, said, complained, watch, stop.Token));
        io.Text.Write(said.ToString());
        io.Error.Write(complained.ToString());
        return exit;
    }

    private static int WithBar(Func<IProgress<FsckProgress>, int> work)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        return console.Progress().AutoClear(true).Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn()).Start(context =>
        {
            ProgressTask bar = context.AddTask("looking");
            return work(new Watcher(now =>
            {
                bar.Description = now.Phase;
                bar.MaxValue = Math.Max(1, now.Total);
                bar.Value = now.Done;
            }));
        });
    }

    private sealed class Watcher(Action<FsckProgress> show) : IProgress<FsckProgress>
    {
        public void Report(FsckProgress value) => show(value);
    }
}
