using System.Text;
using Microsoft.Win32.SafeHandles;

namespace ImageFs.Cli;

/// <summary>Where a command reads and writes. Tests bring their own streams; everything else uses the process's.</summary>
internal sealed class Stdio : IDisposable
{
    private readonly Lazy<Stream> _input;
    private readonly Lazy<TextWriter> _error;

    /// <param name="input">What `-` reads.</param>
    /// <param name="output">Gets file contents and, through <see cref="Text"/>, everything that is said.</param>
    /// <param name="error">Gets complaints.</param>
    /// <param name="isTerminal">A person is watching <paramref name="output"/>.</param>
    public Stdio(Func<Stream> input, Stream output, Func<TextWriter> error, bool isTerminal)
    {
        _input = new(input);
        _error = new(error);
        Output = output;
        Text = new NameWriter(output) { NewLine = "\n" };
        IsTerminal = isTerminal;
    }

    public Stream Input => _input.Value;

    /// <summary>Flush <see cref="Text"/> before writing bytes here.</summary>
    public Stream Output { get; }

    public TextWriter Text { get; }
    public TextWriter Error => _error.Value;
    public bool IsTerminal { get; }

    /// <summary>The streams of this process, none of them opened before it is needed.</summary>
    public static Stdio OfProcess() => new(
        Console.OpenStandardInput,
        OpenOutput(),
        () => new StreamWriter(Console.OpenStandardError(), new UTF8Encoding(false)) { NewLine = "\n", AutoFlush = true },
        !Console.IsOutputRedirected);

    // The console's stream swallows the error of a closed pipe, and then `cat` would read a terabyte for a
    // `head` that is long gone. A file stream reports it, but keeps its own position in a file, where
    // several programs may be writing one after the other.
    private static Stream OpenOutput()
    {
        if (OperatingSystem.IsWindows() || !Console.IsOutputRedirected) return Console.OpenStandardOutput();
        try
        {
            FileStream stream = new(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
            return stream.CanSeek ? Console.OpenStandardOutput() : stream;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return Console.OpenStandardOutput();
        }
    }

    /// <summary>Says what went wrong. Where nobody can be told, the exit code has to do.</summary>
    public void Complain(string text) => Try(() =>
    {
        Error.WriteLine(text);
        Error.Flush();
    });

    /// <summary>Writes out what was said so far, if there is still somebody to read it.</summary>
    public void TryFlush() => Try(Text.Flush);

    private static void Try(Action write)
    {
        try
        {
            write();
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException)
        {
            // The other end is closed or full.
        }
    }

    public void Dispose()
    {
        TryFlush();
        if (_error.IsValueCreated) Try(_error.Value.Flush);
    }
}
