using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using ImageFs.Cli.Verbs;
using ImageFs.Format;
using ImageFs.Mkfs;

namespace ImageFs.Cli;

/// <summary>Said something about the arguments that makes no sense: exit code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>Picks the verb, runs it, and turns what went wrong into one line and an exit code.</summary>
/// <remarks>
/// Only the verb that was asked for is built, and the parser is not even loaded for those that need none: starting is
/// most of the time of a short command.
/// </remarks>
internal static class CommandLine
{
    /// <summary>What was asked for could not be done.</summary>
    public const int Failed = 1;
    /// <summary>What was asked for could not be understood.</summary>
    public const int Misused = 2;
    /// <summary>What a shell reports of a program that died writing to a closed pipe.</summary>
    public const int PipeClosed = 141;

    /// <summary>Runs one command.</summary>
    /// <param name="args">Verb first.</param>
    /// <returns>0, <see cref="Failed"/>, <see cref="Misused"/>, or what fsck returns.</returns>
    public static int Run(string[] args, Stdio io)
    {
        string verb = args.Length > 0 ? args[0] : "";
        try
        {
            int code = Dispatch(verb, args, io);
            io.Text.Flush();
            return code;
        }
        catch (UsageException why)
        {
            io.Complain($"imagefs: {verb}: {why.Message}\nimagefs {verb} -h tells how it is used.");
            return Misused;
        }
        catch (IOException why) when (IsBrokenPipe(why))
        {
            return PipeClosed;
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException)
        {
            io.TryFlush();
            io.Complain($"imagefs: {verb}: {OneLine(why.Message)}");
            return Failed;
        }
    }

    private static int Dispatch(string verb, string[] args, Stdio io)
    {
        switch (verb)
        {
            case "":
                io.Error.Write(Overview);
                return Misused;
            case "-h" or "--help" or "help":
                io.Text.Write(Overview);
                return 0;
            case "-V" or "--version":
                io.Text.WriteLine($"imagefs {typeof(CommandLine).Assembly.GetName().Version?.ToString(3)}");
                return 0;
            // Their arguments look like those of mkfs.xfs and fsck, not like ours.
            case "mkfs":
                return MkfsProgram.Run(args[1..], io.Text, io.Error);
            case "fsck":
                return FsckVerb.Run(args[1..], io);
            case "inspect":
                return InspectProgram.Run(args[1..], io.Text, io.Error);
            case "info" when args.Length == 2 && !args[1].StartsWith('-'):
                return InfoVerb.Run(args[1], json: false, io);
            default:
                return Parse(verb, args, io);
        }
    }

    private static int Parse(string verb, string[] args, Stdio io)
    {
        Command? command = Build(verb, io);
        if (command is null)
        {
            io.Error.WriteLine($"imagefs: '{verb}' is none of its verbs");
            io.Error.WriteLine("imagefs --help lists them.");
            return Misused;
        }
        command.Options.Add(new HelpOption("--help", "-h"));
        // Usage lines begin with the name of the outermost command. Its name as first word also keeps the parser from
        // taking an image called like the verb for the verb.
        Command program = new("imagefs") { command };
        ParseResult parsed = program.Parse(["imagefs", .. args], new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Action is not HelpAction)
        {
            if (UnknownOption(parsed) is string option) throw new UsageException($"unknown option {option}");
            if (parsed.Errors.Count > 0) throw new UsageException(Explain(parsed.Errors[0]));
        }
        return parsed.Invoke(new InvocationConfiguration { Output = io.Text, Error = io.Error, EnableDefaultExceptionHandler = false });
    }

    private static string Explain(ParseError error) => error.SymbolResult is ArgumentResult missing && missing.Tokens.Count < missing.Argument.Arity.MinimumNumberOfValues
        ? $"{missing.Argument.Name} is missing"
        : OneLine(error.Message);

    // The parser would hand a mistyped option on as the name of a file.
    private static string? UnknownOption(ParseResult parsed)
    {
        foreach (Token token in parsed.Tokens)
        {
            if (token.Type == TokenType.DoubleDash) return null;
            if (token.Type == TokenType.Argument && token.Value is ['-', _, ..]) return token.Value;
        }
        return null;
    }

    private static Command? Build(string verb, Stdio io) => verb switch
    {
        "allocate" => RangeVerbs.Allocate(io),
        "cat" => CatVerb.Build(io),
        "clone" => CloneVerb.Build(io),
        "collapse" => RangeVerbs.Collapse(io),
        "copy-range" => CopyRangeVerb.Build(io),
        "dedupe" => DedupeVerb.Build(io),
        "demo" => Demo.DemoVerb.Build(io),
        "exchange" => ExchangeVerb.Build(io),
        "export" => ExportVerb.Build(io),
        "get" => GetVerb.Build(io),
        "info" => InfoVerb.Build(io),
        "insert" => RangeVerbs.Insert(io),
        "ls" => ListVerb.Build(io),
        "manifest" => ManifestVerb.Build(io),
        "map" => MapVerb.Build(io),
        "mkdir" => MakeDirectoryVerb.Build(io),
        "mv" => MoveVerb.Build(io),
        "punch" => RangeVerbs.Punch(io),
        "put" => PutVerb.Build(io),
        "rm" => RemoveVerb.Build(io),
        "stat" => StatVerb.Build(io),
        "truncate" => RangeVerbs.Truncate(io),
        "unshare" => RangeVerbs.Unshare(io),
        "write" => WriteVerb.Build(io),
        "zero" => RangeVerbs.Zero(io),
        _ => null,
    };

    private static bool IsBrokenPipe(IOException why)
    {
        const int brokenPipe = 32, windowsBrokenPipe = unchecked((int)0x8007006D), windowsNoData = unchecked((int)0x800700E8);
        return why is not XfsException && why.HResult is brokenPipe or windowsBrokenPipe or windowsNoData;
    }

    /// <summary>A message as one line. It may quote names of an image, and those must not tell a terminal to do things.</summary>
    public static string OneLine(string text) => string.Concat(text.ReplaceLineEndings(" ").Trim().Select(c => char.IsControl(c) ? '?' : c));

    private const string Overview = """
        imagefs: makes, changes, shares, checks and reads XFS images, without a kernel.

          imagefs demo                                 the whole story on an image of its own

          imagefs mkfs [options] IMAGE                 make a file system
          imagefs info [--json] IMAGE                  sizes, features, counters, state of the log
          imagefs fsck -n IMAGE                        check everything, change nothing
          imagefs fsck -y IMAGE                        repair
          imagefs inspect [--json] IMAGE [WHAT]        structures as they are on disk

          imagefs ls [-l] [-R] IMAGE [PATH...]         list
          imagefs stat [-e] IMAGE PATH...              all about a file, -e with its extents
          imagefs manifest IMAGE                       everything in it, one JSON object a line
          imagefs cat IMAGE PATH...                    contents to standard output
          imagefs get IMAGE PATH... HOSTDEST           files and trees out of the image
          imagefs export [-o FILE] IMAGE [PATH...]     files and trees as a tar archive
          imagefs put IMAGE HOSTPATH... DEST           files and trees into the image, - is standard input
          imagefs write [--atomic] IMAGE PATH          standard input over a part of a file

          imagefs mkdir [-p] IMAGE PATH...             make directories
          imagefs rm [-r] [-f] IMAGE PATH...           remove
          imagefs mv [-n] IMAGE FROM... TO             rename, move
          imagefs clone IMAGE FROM TO                  a copy that shares all blocks
          imagefs dedupe [-n] IMAGE [PATH...]          find equal blocks and share them
          imagefs copy-range IMAGE FROM TO             copy a range, sharing what can be shared
          imagefs exchange IMAGE A B                   exchange files, or ranges of them

          imagefs map [--json] IMAGE PATH              where the contents lie, and what is shared
          imagefs truncate IMAGE PATH --length N       give a file another length
          imagefs allocate IMAGE PATH [RANGE]          give a range blocks; RANGE is --offset N --length N
          imagefs punch IMAGE PATH [RANGE]             make it a hole
          imagefs zero IMAGE PATH [RANGE]              make it read as zeros
          imagefs unshare IMAGE PATH [RANGE]           copy what it shares
          imagefs insert IMAGE PATH [RANGE]            put a hole in, what is behind moves up
          imagefs collapse IMAGE PATH [RANGE]          take it out, what is behind moves down

        ls, stat, manifest, cat, get and export take --as-repaired: a damaged image as fsck -y would leave it.
        imagefs VERB -h tells more about one. Exit codes: 0 done, 1 failed, 2 misused; fsck has those of fsck(8).

        """;
}
