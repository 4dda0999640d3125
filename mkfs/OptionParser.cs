namespace ImageFs.Mkfs;

/// <summary>What the arguments ask for.</summary>
internal sealed record ParsedArguments(MkfsOptions Options, bool Help, bool Version);

/// <summary>
/// Reads arguments the way mkfs.xfs does: letters may be joined (<c>-fq</c>), a value may follow its letter directly
/// (<c>-bsize=1k</c>), sub-options are separated by commas, and the image may stand anywhere.
/// </summary>
internal sealed class OptionParser
{
    private const string LettersWithSubOptions = "bdilmnrs";

    private readonly HashSet<string> seen = [];
    private MkfsOptions options = new();
    private bool help, version;

    private OptionParser() { }

    public static ParsedArguments Parse(IReadOnlyList<string> arguments)
    {
        OptionParser parser = new();
        parser.ReadAll(arguments);
        return new ParsedArguments(parser.options, parser.help, parser.version);
    }

    private void ReadAll(IReadOnlyList<string> arguments)
    {
        bool optionsEnded = false;
        for (int at = 0; at < arguments.Count; at++)
        {
            string argument = arguments[at];
            if (optionsEnded || argument.Length < 2 || argument[0] != '-') ReadImage(argument);
            else if (argument == "--") optionsEnded = true;
            else if (argument.StartsWith("--", StringComparison.Ordinal)) ReadLong(argument[2..], arguments, ref at);
            else ReadLetters(argument, arguments, ref at);
        }
        if (options.CreateImage && (options.ImagePath is null || options.Size is null) && !help && !version)
            throw new MkfsOptionException("-d file needs the name and the size of the image (-d name=... and -d size=..., or the image as last argument).");
    }

    private void ReadImage(string path)
    {
        if (path.Length == 0) throw new MkfsOptionException("The image has an empty name.");
        if (options.ImagePath is { } other)
            throw new MkfsOptionException($"Only one image can be made at a time, but both '{other}' and '{path}' are given.");
        options = options with { ImagePath = path };
    }

    private void ReadLong(string text, IReadOnlyList<string> arguments, ref int at)
    {
        int equals = text.IndexOf('=');
        string name = equals < 0 ? text : text[..equals];
        string? value = equals < 0 ? null : text[(equals + 1)..];
        switch (name)
        {
            case "help" when value is null: help = true; break;
            case "version" when value is null: version = true; break;
            // mkfs.xfs wants this word for images that are small; here they are always allowed.
            case "unsupported" when value is null: break;
            case "size":
                value ??= Next(arguments, ref at, "--size");
                Apply(SubOptions.Find('d', "size"), value);
                options = options with { CreateImage = true };
                break;
            case "uuid":
                Apply(SubOptions.Find('m', "uuid"), value ?? Next(arguments, ref at, "--uuid"));
                break;
            default:
                throw new MkfsOptionException($"There is no option --{text}; --help lists all options.");
        }
    }

    private void ReadLetters(string argument, IReadOnlyList<string> arguments, ref int at)
    {
        for (int i = 1; i < argument.Length; i++)
        {
            char letter = argument[i];
            string Value(ref int index) =>
                i + 1 < argument.Length ? argument[(i + 1)..] : Next(arguments, ref index, $"-{letter}");
            switch (letter)
            {
                case 'f' or 'C': options = options with { Force = true }; continue;
                case 'N': options = options with { DryRun = true }; continue;
                case 'q': options = options with { Quiet = true }; continue;
                case 'K': options = options with { KeepBlocks = true }; continue;
                case 'V': version = true; continue;
                case 'h': help = true; continue;
                case 'L':
                    if (!seen.Add("L")) throw new MkfsOptionException("-L is given twice.");
                    options = options with { Label = Value(ref at) };
                    return;
                case 'c': throw new MkfsOptionException("-c (options from a file) is not supported; give the options as arguments.");
                case 'p': throw new MkfsOptionException("-p (prototype file) is not supported; put files into the image after making it.");
            }
            if (!LettersWithSubOptions.Contains(letter, StringComparison.Ordinal))
                throw new MkfsOptionException($"There is no option -{letter}; --help lists all options.");
            foreach (string item in Value(ref at).Split(',', StringSplitOptions.RemoveEmptyEntries)) ReadSubOption(letter, item);
            return;
        }
    }

    private void ReadSubOption(char letter, string item)
    {
        int equals = item.IndexOf('=');
        string name = equals < 0 ? item : item[..equals];
        if (!SubOptions.TryFind(letter, name, out SubOption? subOption))
            throw new MkfsOptionException($"-{letter} has no option '{name}'; it knows {string.Join(", ", SubOptions.NamesOf(letter))}.");
        Apply(subOption, equals < 0 ? null : item[(equals + 1)..]);
    }

    private void Apply(SubOption subOption, string? value)
    {
        if (!seen.Add(subOption.FullName)) throw new MkfsOptionException($"{subOption.FullName} is given twice.");
        foreach (SubOption other in SubOptions.ConflictsOf(subOption))
            if (seen.Contains(other.FullName))
                throw new MkfsOptionException($"{other.FullName} and {subOption.FullName} cannot both be given.");
        if (string.IsNullOrEmpty(value))
            value = subOption.ValueWhenOmitted ?? throw new MkfsOptionException($"{subOption.FullName} needs a value.");
        if (subOption.Name == "name" && subOption.Letter == 'd') ReadImage(value);
        else options = subOption.Apply(options, value);
    }

    private static string Next(IReadOnlyList<string> arguments, ref int at, string option) =>
        ++at < arguments.Count ? arguments[at] : throw new MkfsOptionException($"{option} needs a value.");
}
