namespace ImageFs.Cli;

/// <summary>While it lives, Ctrl-C asks for an end instead of making one: what was begun is ended properly.</summary>
internal sealed class Interrupt : IDisposable
{
    private readonly CancellationTokenSource _stop = new();

    public Interrupt() => Console.CancelKeyPress += Ask;

    public CancellationToken Token => _stop.Token;

    public void Dispose()
    {
        Console.CancelKeyPress -= Ask;
        _stop.Dispose();
    }

    private void Ask(object? sender, ConsoleCancelEventArgs pressed)
    {
        pressed.Cancel = true;
        _stop.Cancel();
    }
}
