using System.Diagnostics;
using Spectre.Console;

namespace ImageFs.Cli.Demo;

/// <summary>Tells the story and keeps count of the claims that did not hold.</summary>
internal sealed class Narrator
{
    private readonly IAnsiConsole _console;
    private readonly Stopwatch _total = Stopwatch.StartNew(), _step = new();

    public Narrator(Stdio io)
    {
        bool colours = io.IsTerminal && Environment.GetEnvironmentVariable("NO_COLOR") is null or "" && Environment.GetEnvironmentVariable("TERM") is not "dumb";
        _console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = colours ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = colours ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(io.Text),
        });
        // Sentences are wrapped by the terminal, or not at all.
        _console.Profile.Width = 10_000;
    }

    public int Claims { get; private set; }
    public int Failures { get; private set; }
    public TimeSpan Elapsed => _total.Elapsed;

    /// <summary>A new chapter.</summary>
    public void Step(string title)
    {
        Pause();
        _step.Restart();
        _console.MarkupLine($"[bold yellow]{Markup.Escape(title)}[/]");
    }

    /// <summary>What was done.</summary>
    public void Say(string sentence) => _console.MarkupLine($"  {Markup.Escape(sentence)}");

    /// <summary>What is now claimed, and whether it is so. <paramref name="wrong"/> is what is the case otherwise.</summary>
    public bool Claim(bool holds, string sentence, string? wrong = null)
    {
        Claims++;
        if (!holds) Failures++;
        _console.MarkupLine(holds
            ? $"  [green]✓[/] {Markup.Escape(sentence)}"
            : $"  [red]✗ {Markup.Escape(sentence)}{(wrong is null ? "" : $": {Markup.Escape(wrong)}")}[/]");
        return holds;
    }

    /// <summary>The last line.</summary>
    public void End(string? afterwards)
    {
        Pause();
        _console.WriteLine();
        string time = $"{Elapsed.TotalSeconds:0.0} s";
        _console.MarkupLine(Failures == 0
            ? $"[bold green]All {Claims} claims hold[/] ({time})."
            : $"[bold red]{Failures} of {Claims} claims do not hold[/] ({time}).");
        if (afterwards is not null) _console.MarkupLine(Markup.Escape(afterwards));
    }

    private void Pause()
    {
        if (_step.IsRunning) _console.MarkupLine($"  [grey]{_step.ElapsedMilliseconds} ms[/]");
    }
}
