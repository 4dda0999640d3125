namespace ImageFs.Fsck;

/// <summary>How bad a finding is.</summary>
public enum Severity
{
    /// <summary>Worth knowing, no contradiction; does not change the exit code.</summary>
    Info,
    /// <summary>The file system works, but not as it should, or not for long.</summary>
    Warning,
    /// <summary>A contradiction: something is lost, or will be when the file system is used.</summary>
    Error,
}

/// <summary>What a repair would do about a finding.</summary>
public enum Remedy
{
    None, ReplayLog, RestoreSuperblock, RebuildGroupHeaders, RebuildFreeSpace, RebuildInodeBtrees, RebuildRmap, RebuildRefcount,
    Recount, RebuildFreeList, FixInode, ClearInode, RebuildFork, RebuildDirectory, FixEntry, DropEntry, RebuildAttributes, Reconnect,
    FixLinkCount, FreeInode, FreeStaging, Restamp, ResolveClaim, GrowImage, FixQuota,
}

/// <summary>One row of the table of findings: a code that is never reused, how bad it is, what it says, what would help.</summary>
/// <param name="Text">The stable code, as programs and the JSON report know it.</param>
/// <param name="Severity">How bad it is.</param>
/// <param name="Template">The sentence; {0}, {1} ... are the values found and expected.</param>
/// <param name="Remedy">What a repair would do.</param>
public sealed record FindingCode(string Text, Severity Severity, string Template, Remedy Remedy)
{
    /// <summary>The remedy as a word for reports: rebuild-rmap, fix-inode ...; null when nothing is to be done.</summary>
    public string? RemedyWord => WordFor(Remedy);

    internal static string? WordFor(Remedy remedy) => remedy == Remedy.None ? null : s_words[(int)remedy];

    public override string ToString() => Text;

    private static readonly string[] s_words = [.. Enum.GetNames<Remedy>().Select(Kebab)];

    private static string Kebab(string name) =>
        string.Concat(name.Select((c, i) => char.IsUpper(c) && i > 0 ? "-" + char.ToLowerInvariant(c) : char.ToLowerInvariant(c).ToString()));
}
