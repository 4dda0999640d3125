using System.Globalization;
using System.Text;

namespace ImageFs.Fsck;

/// <summary>Where a finding lies; whatever is unknown stays null.</summary>
/// <param name="Ag">Allocation group.</param>
/// <param name="AgBlock">Block inside the group.</param>
/// <param name="Inode">Inode number.</param>
/// <param name="Field">The field, by its XFS name.</param>
public readonly record struct Where(uint? Ag = null, uint? AgBlock = null, ulong? Inode = null, string? Field = null);

/// <summary>One difference between what the image says and what it should say.</summary>
/// <param name="Code">The row of the table.</param>
/// <param name="Ag">Allocation group, if known.</param>
/// <param name="AgBlock">Block inside the group, if known.</param>
/// <param name="Inode">Inode number, if the finding is about one.</param>
/// <param name="Path">A path of that inode, if one was found.</param>
/// <param name="Field">The field, by its XFS name.</param>
/// <param name="Message">The sentence with what was found and what was expected.</param>
public sealed record Finding(FindingCode Code, uint? Ag, uint? AgBlock, ulong? Inode, string? Path, string? Field, string Message)
{
    public Severity Severity => Code.Severity;

    /// <summary>One line: severity, code, place, sentence.</summary>
    public override string ToString()
    {
        StringBuilder line = new();
        line.Append(Severity switch { Severity.Error => "error", Severity.Warning => "warning", _ => "info" }).Append(' ').Append(Code.Text);
        string separator = " [";
        void Place(string name, object? value)
        {
            if (value is null) return;
            line.Append(separator).Append(name).Append(' ').Append(value);
            separator = ", ";
        }
        Place("ag", Ag);
        Place("block", AgBlock);
        Place("inode", Inode);
        Place("path", Path);
        Place("field", Field);
        if (separator == ", ") line.Append(']');
        return line.Append(": ").Append(Message).ToString();
    }
}

/// <summary>Collects findings. Their number is bounded: a trashed image gives a count, not a flood.</summary>
internal sealed class FindingList(int capacity, int capacityPerCode)
{
    private readonly List<Finding> _stored = [];
    private readonly List<int> _units = [];
    private readonly Dictionary<FindingCode, long> _counts = [];
    private readonly Lock _lock = new();

    public IReadOnlyList<Finding> Stored => _stored;

    /// <summary>The unit of work that is being done; rises.</summary>
    public int Unit { get; set; }
    public IReadOnlyDictionary<FindingCode, long> Counts => _counts;

    /// <summary>Told of every finding, also of those that are not kept.</summary>
    public Action<FindingCode, Where>? Observer { get; init; }

    /// <summary>True once anything worse than a remark was found.</summary>
    public bool HasFaults { get; private set; }

    public void Add(FindingCode code, Where where, params ReadOnlySpan<object> values)
    {
        lock (_lock)
        {
            long count = _counts.GetValueOrDefault(code) + 1;
            _counts[code] = count;
            if (code.Severity != Severity.Info) HasFaults = true;
            Observer?.Invoke(code, where);
            if (_stored.Count >= capacity || count > capacityPerCode) return;
            string message = values.Length == 0 ? code.Template : string.Format(CultureInfo.InvariantCulture, code.Template, values.ToArray());
            _stored.Add(new Finding(code, where.Ag, where.AgBlock, where.Inode, null, where.Field, message));
            _units.Add(Unit);
        }
    }

    /// <summary>A list for one of several workers; what is beyond the limit of all codes together is seen when it is absorbed.</summary>
    public FindingList ForWorker() => new(int.MaxValue, capacityPerCode);

    /// <summary>Appends what workers have found, as if one had done all units in their order.</summary>
    public void Absorb(IEnumerable<FindingList> workers)
    {
        // Each worker kept the first findings of its units, so what is among the first of all is there.
        Dictionary<FindingCode, long> stored = new(_counts);
        foreach ((Finding finding, _) in workers.SelectMany(w => w._stored.Zip(w._units)).OrderBy(f => f.Second))
        {
            stored[finding.Code] = stored.GetValueOrDefault(finding.Code) + 1;
            if (_stored.Count >= capacity || stored[finding.Code] > capacityPerCode) continue;
            _stored.Add(finding);
            _units.Add(Unit);
        }
        foreach (FindingList worker in workers)
        {
            HasFaults |= worker.HasFaults;
            foreach ((FindingCode code, long count) in worker._counts) _counts[code] = _counts.GetValueOrDefault(code) + count;
        }
    }

    /// <summary>Fills in paths that were found afterwards.</summary>
    public void SetPaths(Func<ulong, string?> pathOf)
    {
        for (int i = 0; i < _stored.Count; i++)
            if (_stored[i].Inode is ulong inode && pathOf(inode) is string path) _stored[i] = _stored[i] with { Path = path };
    }
}
