using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Dax;

/// <summary>A part of a file whose layout somebody wants to change or to keep.</summary>
/// <param name="From">Byte of the file; the block around it belongs to the range.</param>
/// <param name="End">Byte behind the last one; the block around that last one belongs to the range.</param>
internal readonly record struct LayoutRange(OpenInode Open, long From, long End)
{
    /// <summary>From a byte to wherever the file may end.</summary>
    public static LayoutRange ToTheEnd(OpenInode open, long from) => new(open, from, long.MaxValue);

    /// <summary>Some bytes, or with length 0 all from an offset on; arguments that make no sense are for others to refuse.</summary>
    public static LayoutRange OfLength(OpenInode open, long from, long length)
    {
        from = Math.Max(0, from);
        return length <= 0 || from > long.MaxValue - length ? ToTheEnd(open, from) : new(open, from, from + length);
    }
}

/// <summary>How far the sealing of a file has come.</summary>
internal enum SealState { None, Sealing, Sealed }

/// <summary>What exists in memory of one inode whose blocks are mapped or must stay where they are. Guarded by the table's lock.</summary>
internal sealed class InodeLayout(OpenInode open)
{
    public OpenInode Open { get; } = open;

    public InodeNumber Number => Open.Inode.Number;

    /// <summary>Live views.</summary>
    public List<DaxView> Views { get; } = [];

    /// <summary>Leases that are out.</summary>
    public List<LayoutLease> Leases { get; } = [];

    public SealState Seal { get; set; }

    /// <summary>Changes of the layout that wait for a lease.</summary>
    public int Waiting { get; set; }

    /// <summary>Size the views show.</summary>
    public long KnownSize { get; set; }

    /// <summary>The transaction that is changing the layout, and where: one replacement of pages per transaction will do.</summary>
    public Transaction? Changer { get; set; }
    public FileBlock ChangedFrom { get; set; }
    public FileBlock ChangedEnd { get; set; }

    /// <summary>Nothing needs this any more.</summary>
    public bool IsIdle => Views.Count == 0 && Leases.Count == 0 && Seal == SealState.None;

    /// <summary>A lease that overlaps a range of blocks, or null.</summary>
    public LayoutLease? Overlapping(FileBlock from, FileBlock end, bool onlyForReading = false)
    {
        foreach (LayoutLease lease in Leases)
            if (lease.From < end && from < lease.End && !(onlyForReading && lease.IsForWriting)) return lease;
        return null;
    }

    /// <summary>Whether a block may be stored into, and the first block behind it where that changes.</summary>
    public bool IsWritable(FileBlock at, FileBlock end, out FileBlock until)
    {
        bool writable = false;
        until = end;
        foreach (LayoutLease lease in Leases)
        {
            if (!lease.IsForWriting) continue;
            if (lease.From <= at && at < lease.End) writable = true;
            if (lease.From > at && lease.From < until) until = lease.From;
            if (lease.End > at && lease.End < until) until = lease.End;
        }
        return writable;
    }
}
