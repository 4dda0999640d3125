namespace ImageFs.Cli;

/// <summary>The arguments as they were given, also where they are no UTF-8.</summary>
internal static class Arguments
{
    /// <summary>
    /// The runtime has put U+FFFD in the place of bytes that are no text; Linux still has the bytes, and the names in an image
    /// are to be found by them.
    /// </summary>
    public static string[] AsGiven(string[] args)
    {
        const char replaced = '\uFFFD';
        if (!OperatingSystem.IsLinux() || !args.Any(a => a.Contains(replaced))) return args;
        return FromCommandLine(args, File.ReadAllBytes("/proc/self/cmdline"));
    }

    /// <param name="commandLine">Program and arguments, each with a NUL behind it.</param>
    internal static string[] FromCommandLine(string[] args, ReadOnlySpan<byte> commandLine)
    {
        List<string> all = [];
        while (commandLine.IndexOf((byte)0) is int end and >= 0)
        {
            all.Add(NameText.FromBytes(commandLine[..end]));
            commandLine = commandLine[(end + 1)..];
        }
        // Before ours come the program and, where it is not compiled ahead of time, what it runs on.
        return all.Count < args.Length ? args : [.. all[^args.Length..]];
    }
}
