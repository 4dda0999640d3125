using System.Globalization;

namespace ImageFs.Tests.Simulation;

/// <summary>
/// One power cut, told completely: which run, where in it, what survived, and the same again for a second cut during the recovery from
/// the first. Its text form is what a failure prints and what replays it.
/// </summary>
/// <param name="Subject">Name of the file system, see <see cref="CrashSubjects"/>.</param>
/// <param name="Workload">Name of the mixture of operations.</param>
/// <param name="Generation">0 works on a fresh file system, n on what a cut of generation n - 1 left.</param>
/// <param name="Step">Write or flush, counted from 1, in the middle of which the power goes.</param>
/// <param name="AgainAt">Step of the recovery for the second cut, 0 for none.</param>
internal sealed record CrashCut(string Subject, string Workload, int Seed, int Generation, int Step, Survival Survival, int AgainAt, Survival AgainSurvival)
{
    public override string ToString()
    {
        string text = string.Create(CultureInfo.InvariantCulture, $"{Subject}/{Workload}/{Seed}/{Generation}/{Step}/{Survival}");
        return AgainAt == 0 ? text : string.Create(CultureInfo.InvariantCulture, $"{text}/{AgainAt}/{AgainSurvival}");
    }

    public static CrashCut Parse(string text)
    {
        string[] parts = text.Split('/');
        return new CrashCut(parts[0], parts[1], Number(2), Number(3), Number(4), Survival.Parse(parts[5]),
            parts.Length > 6 ? Number(6) : 0, parts.Length > 7 ? Survival.Parse(parts[7]) : Survival.None);

        int Number(int index) => int.Parse(parts[index], CultureInfo.InvariantCulture);
    }
}

/// <summary>What the explorer needs to know about a file system.</summary>
internal sealed record CrashSubject
{
    /// <summary>By which a failure names it.</summary>
    public required string Name { get; init; }

    /// <summary>A fresh file system.</summary>
    public required PagedImage Formatted { get; init; }
    public required int BlockSize { get; init; }

    /// <summary>Where the log lies.</summary>
    public required ByteRange Log { get; init; }

    /// <summary>Opens for writing; a log that is not clean is replayed.</summary>
    public required Func<ImageFs.Devices.BlockDevice, IWorkTree> Open { get; init; }

    /// <summary>The findings of a check, one text each; empty if all is well.</summary>
    public required Func<ImageFs.Devices.BlockDevice, IReadOnlyList<string>> Check { get; init; }

    /// <summary>
    /// Lets somebody else recover a crashed image and look: returns the tree, throws an assertion if something is wrong.
    /// Gets the crashed image. Null if there is nobody.
    /// </summary>
    public Func<PagedImage, Dictionary<string, ObservedEntry>>? OtherRecovery { get; init; }

    /// <summary>Another opinion about an image that is at rest; throws an assertion if something is wrong.</summary>
    public Action<PagedImage>? OtherCheck { get; init; }
}

/// <summary>What was visited.</summary>
internal sealed class CrashReport
{
    private readonly Lock _lock = new();

    public int Cuts;
    public int AtFlushes;
    public int DuringRecovery;
    public int JudgedByOthers;
    public int MoreThanFlushed;
    public int Partial;
    public long Operations;
    public List<string> Failures { get; } = [];
    public Dictionary<string, int> Kinds { get; } = [];

    public void Add(CrashCut cut, string failure)
    {
        lock (_lock)
            Failures.Add($"""
                {failure}
                replay with: IMAGEFS_CRASH={cut} ./test --filter {nameof(CrashExplorerTests.OneCutIsReplayed)}
                """);
    }

    public void Count(WorkOperation operation)
    {
        lock (_lock)
            Kinds[operation.GetType().Name] = Kinds.GetValueOrDefault(operation.GetType().Name) + 1;
    }

    public void CountLackOfSpace(IEnumerable<WorkOperation> operations)
    {
        lock (_lock)
            foreach (WorkOperation operation in operations)
                Kinds[operation.GetType().Name + " without room"] = Kinds.GetValueOrDefault(operation.GetType().Name + " without room") + 1;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"""
        {Cuts} power cuts ({AtFlushes} in the middle of a flush, {DuringRecovery} followed by another one during recovery) over {Operations} operations
        {MoreThanFlushed} left more than was flushed, {Partial} a part of one operation, {JudgedByOthers} were judged by the kernel and xfs_repair as well
        {string.Join(", ", Kinds.OrderByDescending(k => k.Value).Select(k => $"{k.Value} {k.Key}"))}
        """);
}
