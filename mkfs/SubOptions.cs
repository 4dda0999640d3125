using System.Diagnostics.CodeAnalysis;

namespace ImageFs.Mkfs;

/// <summary>One word behind a letter, such as <c>size</c> in <c>-d size=1g</c>.</summary>
/// <param name="Letter">The option it belongs to.</param>
/// <param name="Name">The word.</param>
/// <param name="ValueWhenOmitted">The value of the bare word; null if it needs one.</param>
/// <param name="Apply">Checks the form of the value, not its range, and puts it into the options.</param>
/// <param name="ConflictsWith">Full names of the options that say the same or the opposite.</param>
internal sealed record SubOption(
    char Letter, string Name, string? ValueWhenOmitted, Func<MkfsOptions, string, MkfsOptions> Apply, params string[] ConflictsWith)
{
    public string FullName => $"-{Letter} {Name}";
}

/// <summary>The table of all sub-options.</summary>
internal static class SubOptions
{
    private static readonly SubOption[] All =
    [
        Size('b', "size", (o, v) => o with { BlockSize = ToInt(v, "-b size") }),

        Number('d', "agcount", (o, v) => o with { AgCount = v }, "-d agsize"),
        Size('d', "agsize", (o, v) => o with { AgSize = v }, "-d agcount"),
        Flag('d', "file", (o, v) => o with { CreateImage = v }),
        new('d', "name", null, (o, _) => o),
        Size('d', "size", (o, v) => o with { Size = v }),
        Number('d', "sunit", (o, v) => o with { StripeUnit = Units512(v, "-d sunit") }, "-d su", "-d sw", "-d noalign"),
        Number('d', "swidth", (o, v) => o with { StripeWidth = Units512(v, "-d swidth") }, "-d su", "-d sw", "-d noalign"),
        Size('d', "su", (o, v) => o with { StripeUnit = v }, "-d sunit", "-d swidth", "-d noalign"),
        Number('d', "sw", (o, v) => o with { StripeUnitsInWidth = v }, "-d sunit", "-d swidth", "-d noalign"),
        Flag('d', "noalign", (o, v) => o with { NoStripeAlignment = v }, "-d su", "-d sw", "-d sunit", "-d swidth"),
        Size('d', "sectsize", (o, v) => o with { SectorSize = ToInt(v, "-d sectsize") }, "-s size", "-s sectsize"),
        Flag('d', "rtinherit", (o, v) => o with { RootRealtime = v }),
        Number('d', "projinherit", (o, v) => o with { RootProject = ToUInt(v, "-d projinherit") }),
        Number('d', "extszinherit", (o, v) => o with { RootExtentSize = v }),
        Number('d', "cowextsize", (o, v) => o with { RootCowExtentSize = v }),
        Flag('d', "daxinherit", (o, v) => o with { RootDax = v }),

        Fixed('i', "align", 1, "inodes are always aligned"),
        Number('i', "maxpct", (o, v) => o with { MaxInodePercent = ToInt(v, "-i maxpct") }),
        Number('i', "perblock", (o, v) => o with { InodesPerBlock = ToInt(v, "-i perblock") }, "-i size"),
        Number('i', "size", (o, v) => o with { InodeSize = ToInt(v, "-i size") }, "-i perblock"),
        Fixed('i', "attr", 2, "attributes are always version 2", needsValue: true),
        Fixed('i', "projid32bit", 1, "project numbers always have 32 bits"),
        Flag('i', "sparse", (o, v) => o with { SparseInodes = v }),
        Flag('i', "nrext64", (o, v) => o with { LargeExtentCounters = v }),
        Flag('i', "exchange", (o, v) => o with { ExchangeRange = v }),

        Number('l', "agnum", (o, v) => o with { LogAg = v }),
        Fixed('l', "internal", 1, "external journals are not supported"),
        Size('l', "size", (o, v) => o with { LogSize = v }),
        Fixed('l', "version", 2, "journals are always version 2", needsValue: true),
        Number('l', "sunit", (o, v) => o with { LogStripeUnit = Units512(v, "-l sunit") }, "-l su"),
        Size('l', "su", (o, v) => o with { LogStripeUnit = v }, "-l sunit"),
        Size('l', "sectsize", (o, v) => o with { LogSectorSize = ToInt(v, "-l sectsize") }, "-l internal"),
        Fixed('l', "lazy-count", 1, "superblock counters are always lazy"),
        Refused('l', "logdev", "external journals are not supported"),
        Refused('l', "name", "external journals are not supported"),
        Refused('l', "file", "external journals are not supported"),

        Fixed('m', "crc", 1, "file systems without checksums (version 4) are not supported"),
        Flag('m', "finobt", (o, v) => o with { FreeInodeBtree = v }),
        new('m', "uuid", null, (o, v) => o with { Uuid = ToUuid(v) }),
        Flag('m', "rmapbt", (o, v) => o with { ReverseMapBtree = v }),
        Flag('m', "reflink", (o, v) => o with { Reflink = v }),
        Flag('m', "inobtcount", (o, v) => o with { InodeBtreeCounters = v }),
        Flag('m', "bigtime", (o, v) => o with { BigTime = v }),
        Fixed('m', "metadir", 0, "metadata directories (metadir=1) are not supported yet"),

        Size('n', "size", (o, v) => o with { DirectoryBlockSize = v }),
        new('n', "version", null, (o, v) => v.Equals("ci", StringComparison.OrdinalIgnoreCase)
            ? throw new MkfsOptionException("-n version=ci: names that ignore case are not supported.")
            : v == "2" ? o : throw new MkfsOptionException($"-n version={v}: directories are always version 2.")),
        Fixed('n', "ftype", 1, "directory entries always carry the file type"),
        Flag('n', "parent", (o, v) => o with { ParentPointers = v }),

        Size('r', "extsize", (o, v) => o with { RealtimeExtentSize = v }),
        Flag('r', "noalign", (o, _) => o),
        Refused('r', "size", "realtime devices are not supported"),
        Refused('r', "rtdev", "realtime devices are not supported"),
        Refused('r', "name", "realtime devices are not supported"),
        Refused('r', "file", "realtime devices are not supported"),

        Size('s', "size", (o, v) => o with { SectorSize = ToInt(v, "-s size") }, "-s sectsize", "-d sectsize"),
        Size('s', "sectsize", (o, v) => o with { SectorSize = ToInt(v, "-s sectsize") }, "-s size", "-d sectsize"),
    ];

    public static bool TryFind(char letter, string name, [NotNullWhen(true)] out SubOption? found)
    {
        found = Array.Find(All, o => o.Letter == letter && o.Name == name);
        return found is not null;
    }

    public static SubOption Find(char letter, string name) =>
        TryFind(letter, name, out SubOption? found) ? found : throw new ArgumentException($"no sub-option -{letter} {name}");

    public static IEnumerable<string> NamesOf(char letter) => All.Where(o => o.Letter == letter).Select(o => o.Name);

    /// <summary>Whatever cannot stand beside the option; it is enough that one of the two names the other.</summary>
    public static IEnumerable<SubOption> ConflictsOf(SubOption option) =>
        All.Where(o => o.ConflictsWith.Contains(option.FullName) || option.ConflictsWith.Contains(o.FullName));

    private static SubOption Number(char letter, string name, Func<MkfsOptions, long, MkfsOptions> apply, params string[] conflicts) =>
        new(letter, name, null, (o, text) => apply(o, ToNumber(text, letter, name)), conflicts);

    private static SubOption Size(char letter, string name, Func<MkfsOptions, MkfsSize, MkfsOptions> apply, params string[] conflicts) =>
        new(letter, name, null, (o, text) => MkfsSize.TryParse(text, out MkfsSize size)
            ? apply(o, size)
            : throw new MkfsOptionException(
                $"-{letter} {name}={text}: expected a number with at most one suffix (b blocks, s sectors, k, m, g, t, p, e)."), conflicts);

    private static SubOption Flag(char letter, string name, Func<MkfsOptions, bool, MkfsOptions> apply, params string[] conflicts) =>
        new(letter, name, "1", (o, text) => ToNumber(text, letter, name) switch
        {
            0 => apply(o, false),
            1 => apply(o, true),
            _ => throw new MkfsOptionException($"-{letter} {name}={text}: expected 0 or 1."),
        }, conflicts);

    /// <summary>An option that exists for compatibility: only one value can be made.</summary>
    private static SubOption Fixed(char letter, string name, long only, string reason, bool needsValue = false) =>
        new(letter, name, needsValue ? null : "1", (o, text) => ToNumber(text, letter, name) == only
            ? o
            : throw new MkfsOptionException($"-{letter} {name}={text}: {reason}."));

    private static SubOption Refused(char letter, string name, string reason) =>
        new(letter, name, "", (_, _) => throw new MkfsOptionException($"-{letter} {name}: {reason}."));

    private static long ToNumber(string text, char letter, string name) =>
        MkfsSize.TryParseNumber(text, out long number)
            ? number
            : throw new MkfsOptionException($"-{letter} {name}={text}: expected a whole number without suffix.");

    private static int ToInt(long number, string option) =>
        number is >= 0 and <= int.MaxValue ? (int)number : throw new MkfsOptionException($"{option}={number} is out of range.");

    private static uint ToUInt(long number, string option) =>
        number is >= 0 and <= uint.MaxValue ? (uint)number : throw new MkfsOptionException($"{option}={number} is out of range.");

    // Block and sector size define what the suffixes b and s mean, so they cannot use them.
    private static int ToInt(MkfsSize size, string option) => size.Unit == MkfsSizeUnit.Bytes
        ? ToInt(size.Value, option)
        : throw new MkfsOptionException($"{option}={size}: the suffixes b and s mean nothing here.");

    private static MkfsSize Units512(long units, string option) => units is >= 0 and <= uint.MaxValue
        ? units * 512
        : throw new MkfsOptionException($"{option}={units} is out of range.");

    private static Guid ToUuid(string text) => Guid.TryParseExact(text, "D", out Guid uuid)
        ? uuid
        : throw new MkfsOptionException($"-m uuid={text}: expected a UUID such as 01234567-89ab-cdef-0123-456789abcdef.");
}
