using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs.Dax;

/// <summary>What lies under a run of file blocks.</summary>
internal enum IomapKind
{
    /// <summary>Nothing: reads as zeros.</summary>
    Hole,
    /// <summary>Blocks whose bytes nobody has defined: reads as zeros.</summary>
    Unwritten,
    /// <summary>Data.</summary>
    Written,
}

/// <summary>What a file is mapped for: decides which runs are of interest and what is looked up beside the extents.</summary>
internal enum IomapPurpose
{
    /// <summary>Every run; nobody asks who else owns the blocks. Works without the volume's gate.</summary>
    Read,
    /// <summary>As <see cref="Read"/>, inside a transaction that changes the mapping and may yet be undone.</summary>
    Remap,
    /// <summary>Every run, cut where sharing begins and ends: what fiemap shows.</summary>
    Report,
    /// <summary>Every run, cut where a write must do something else: in place, to new blocks, into a reservation.</summary>
    Write,
    /// <summary>As <see cref="Write"/>, but only what does not read as zeros by itself.</summary>
    Zero,
    /// <summary>Only data that somebody else owns too.</summary>
    Unshare,
}

/// <summary>A run of file blocks that are alike.</summary>
/// <param name="Offset">First file block.</param>
/// <param name="Length">Blocks.</param>
/// <param name="Start">Where the first one lies; of no meaning for a hole.</param>
/// <param name="Shared">A write must not go in place. Known for every purpose but <see cref="IomapPurpose.Read"/>.</param>
/// <param name="Reserved">Length of the CoW reservation over the run, 0 if there is none: where a write goes, while <paramref name="Start"/> is its source.</param>
internal readonly record struct Iomap(IomapKind Kind, FileBlock Offset, ulong Length, FsBlock Start, bool Shared = false, bool Reserved = false)
{
    public FileBlock End => Offset + Length;

    /// <summary>Holes and unwritten blocks.</summary>
    public bool ReadsAsZeros => Kind != IomapKind.Written;

    /// <summary>The run as an extent; it must not be a hole.</summary>
    public Extent Extent => new(Offset, Start, (uint)Length, Kind == IomapKind.Unwritten);
}

/// <summary>
/// Walks over the mapping of a range of file blocks, one run of equal treatment at a time: the loop of everything that
/// reads, writes, zeroes, unshares, compares or lists a file.
/// </summary>
/// <remarks>
/// The mapping may change behind the iterator, but not ahead of it, except where it is changed for the run the iterator
/// stands on. xfs calls the two sides of a copy-on-write iomap and srcmap: here they are one run, with its reservation.
/// </remarks>
internal struct IomapIterator(Volume volume, OpenInode file, FileBlock from, FileBlock end, IomapPurpose purpose)
{
    private FileBlock _next = from;

    /// <summary>The run.</summary>
    public Iomap Current { get; private set; }

    /// <summary>Goes to the next run of interest.</summary>
    public bool MoveNext()
    {
        while (_next < end)
        {
            Current = Look(_next);
            _next = Current.End;
            if (purpose switch
            {
                IomapPurpose.Zero => !Current.ReadsAsZeros,
                IomapPurpose.Unshare => Current.Shared,
                _ => true,
            }) return true;
        }
        return false;
    }

    /// <summary>Shortens the current run; the next one begins behind it.</summary>
    public void Cut(ulong length)
    {
        Current = Current with { Length = length };
        _next = Current.End;
    }

    private readonly Iomap Look(FileBlock at)
    {
        Segment segment = purpose == IomapPurpose.Remap ? LookInFork(at) : file.SegmentAt(at, end);
        uint alike = (uint)Math.Min(Extent.MaxLength, (segment.End < end ? segment.End : end) - at);
        if (segment.IsHole) return new Iomap(IomapKind.Hole, at, (segment.End < end ? segment.End : end) - at, default);
        FsBlock start = segment.Start + (at - segment.Offset);
        if (segment.Unwritten) return new Iomap(IomapKind.Unwritten, at, alike, start);
        bool shared = false, reserved = false;
        if (purpose is not (IomapPurpose.Read or IomapPurpose.Remap) && file.Inode.Core.Has(InodeFlags2.Reflink))
        {
            AllocationGroup group = volume.Groups.Of(start);
            AgBlock block = volume.Geometry.BlockInAg(start);
            bool writes = purpose is IomapPurpose.Write or IomapPurpose.Zero;
            uint all = alike;
            shared = writes ? ReferenceCounts.MustCopy(group, block, ref alike) : ReferenceCounts.IsShared(group, block, ref alike);
            // By how many does not matter.
            for (uint more; shared && alike < all; alike += more)
            {
                more = all - alike;
                if (!(writes ? ReferenceCounts.MustCopy(group, block + alike, ref more) : ReferenceCounts.IsShared(group, block + alike, ref more))) break;
            }
            if (writes)
            {
                // A reservation left over from earlier sharing is used up, even where nobody shares any more.
                reserved = file.Cow.TryFind(at, out Extent reservation);
                FileBlock until = reserved ? reservation.End : file.Cow.NextStart(at, at + alike);
                alike = (uint)Math.Min(alike, until - at);
            }
        }
        return new Iomap(IomapKind.Written, at, alike, start, shared, reserved);
    }

    private readonly Segment LookInFork(FileBlock at)
    {
        bool mapped = volume.Map.TryFind(file.Inode, ForkKind.Data, at, out Extent extent);
        return mapped && extent.Offset <= at ? new Segment(extent.Offset, extent.End, extent.Start, extent.Unwritten, Private: false)
            : new Segment(at, mapped ? extent.Offset : new FileBlock(FileBlock.Limit), FsBlock.Null, Unwritten: false, Private: false);
    }
}

/// <summary>Two ranges of the same length in lock step: on both sides a run that is alike, equally long.</summary>
internal struct IomapPair(IomapIterator one, IomapIterator other)
{
    private IomapIterator _one = one, _other = other;

    /// <summary>The run of the first range.</summary>
    public readonly Iomap One => _one.Current;

    /// <summary>The run of the second range.</summary>
    public readonly Iomap Other => _other.Current;

    /// <summary>Both runs are read from the same blocks, or read as zeros.</summary>
    public readonly bool AreOne => One.ReadsAsZeros ? Other.ReadsAsZeros : !Other.ReadsAsZeros && One.Start == Other.Start;

    /// <summary>Goes on on both sides.</summary>
    public bool MoveNext()
    {
        if (!_one.MoveNext() || !_other.MoveNext()) return false;
        Cut(Math.Min(One.Length, Other.Length));
        return true;
    }

    /// <summary>Shortens both runs.</summary>
    public void Cut(ulong length)
    {
        _one.Cut(length);
        _other.Cut(length);
    }
}
