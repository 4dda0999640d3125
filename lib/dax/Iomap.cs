using System.Diagnostics.CodeAnalysis;
using ImageFs.Allocation;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;

namespace ImageFs.Dax;

/// <summary>What lies under a run of file blocks.</summary>
internal enum IomapKind : byte
{
    /// <summary>Nothing: reads as zeros.</summary>
    Hole,
    /// <summary>Blocks whose bytes nobody has defined: reads as zeros.</summary>
    Unwritten,
    /// <summary>Data.</summary>
    Written,
}

/// <summary>What a file is mapped for: decides which runs are of interest and what is looked up beside the extents.</summary>
internal enum IomapPurpose : byte
{
    /// <summary>Every run. Needs no gate.</summary>
    Read,
    /// <summary>Every run; a written one also says whether a write may go in place. Takes the gate where that is not known yet.</summary>
    Overwrite,
    /// <summary>Every run as the fork has it, inside a transaction that changes the fork and may yet be undone.</summary>
    Remap,
    /// <summary>Every run, cut where sharing begins and ends: what fiemap shows.</summary>
    Report,
    /// <summary>Every run, cut where a write must do something else: in place, to new blocks, into a reservation.</summary>
    Write,
    /// <summary>As <see cref="Write"/>, but only what does not read as zeros by itself.</summary>
    Zero,
    /// <summary>As <see cref="Write"/>, but only what could not be stored into as it is: all but written private blocks.</summary>
    Fault,
    /// <summary>Only data that somebody else owns too, by how many does not matter.</summary>
    Unshare,
}

/// <summary>A run of file blocks that are alike.</summary>
/// <param name="Offset">First file block.</param>
/// <param name="Length">Blocks.</param>
/// <param name="Start">Where the first one lies; null in a hole.</param>
/// <param name="Target">
/// Where a write to the first block goes: where it lies, or to a reservation for copy-on-write. Null if new blocks must be found,
/// or if nobody has asked. xfs calls it iomap, and <paramref name="Start"/> srcmap where they differ.
/// </param>
/// <param name="Shared">
/// Somebody else owns the blocks too, or for a write would again after a power cut. Known for every purpose but
/// <see cref="IomapPurpose.Read"/> and <see cref="IomapPurpose.Remap"/>.
/// </param>
internal readonly record struct Iomap(IomapKind Kind, FileBlock Offset, ulong Length, FsBlock Start, FsBlock Target, bool Shared)
{
    public FileBlock End => Offset + Length;

    /// <summary>Holes and unwritten blocks.</summary>
    public bool ReadsAsZeros => Kind != IomapKind.Written;

    /// <summary>Data that a write may change where it lies.</summary>
    public bool IsInPlace => Kind == IomapKind.Written && Target == Start;

    /// <summary>What is left of it behind its first blocks; it must not be a hole.</summary>
    public Iomap Behind(ulong blocks) =>
        this with { Offset = Offset + blocks, Length = Length - blocks, Start = Start + blocks, Target = Target.IsNull ? Target : Target + blocks };

    /// <summary>The run as an extent; it must not be a hole.</summary>
    public Extent Extent => new(Offset, Start, (uint)Length, Kind == IomapKind.Unwritten);
}

/// <summary>
/// Walks over the mapping of a range of file blocks, one run of equal treatment at a time: the loop of everything that
/// reads, writes, zeroes, unshares, compares, shows or lists a file.
/// </summary>
/// <remarks>
/// The mapping may change behind the iterator, but not ahead of it, except where it is changed for the run the iterator
/// stands on. Whoever reads or overwrites many times decodes the extents on the way (<see cref="ExtentCache"/>); whoever is about
/// to change them uses what is decoded, and does not decode what he will make untrue.
/// </remarks>
internal struct IomapIterator(Volume volume, OpenInode file, FileBlock from, FileBlock end, IomapPurpose purpose)
{
    private FileBlock _next = from;
    private Iomap _current;

    /// <summary>The run.</summary>
    [UnscopedRef]
    public readonly ref readonly Iomap Current => ref _current;

    /// <summary>Goes to the next run of interest.</summary>
    public bool MoveNext()
    {
        while (_next < end)
        {
            Look(_next);
            _next = _current.End;
            if (purpose < IomapPurpose.Zero || IsOfInterest) return true;
        }
        return false;
    }

    private readonly bool IsOfInterest => purpose switch
    {
        IomapPurpose.Zero => !_current.ReadsAsZeros,
        IomapPurpose.Fault => !_current.IsInPlace,
        _ => _current.Shared,
    };

    /// <summary>The first run of a range, which must not be empty, for a purpose that wants every run.</summary>
    public static Iomap First(Volume volume, OpenInode file, FileBlock from, FileBlock end, IomapPurpose purpose)
    {
        IomapIterator runs = new(volume, file, from, end, purpose);
        runs.MoveNext();
        return runs._current;
    }

    /// <summary>Gives the current run another length; the next one begins behind it.</summary>
    public void Cut(ulong length)
    {
        _current = _current with { Length = length };
        _next = _current.End;
    }

    private void Look(FileBlock at)
    {
        Segment segment = purpose == IomapPurpose.Remap ? file.SegmentInFork(at)
            : file.SegmentAt(at, end, decode: purpose is not (IomapPurpose.Write or IomapPurpose.Zero));
        ulong length = (segment.End < end ? segment.End : end) - at;
        if (segment.IsHole)
        {
            _current = new Iomap(IomapKind.Hole, at, length, FsBlock.Null, FsBlock.Null, Shared: false);
            return;
        }
        FsBlock start = segment.Start + (at - segment.Offset), target = segment.Unwritten || segment.Private ? start : FsBlock.Null;
        _current = new Iomap(segment.Unwritten ? IomapKind.Unwritten : IomapKind.Written, at, length, start, target, Shared: false);
        if (segment.Unwritten || purpose is IomapPurpose.Read or IomapPurpose.Remap) return;
        if (purpose == IomapPurpose.Overwrite)
        {
            if (!segment.Private) _current = IsPrivate(segment, _current) ? _current with { Target = start } : _current with { Shared = true };
        }
        else if (purpose is IomapPurpose.Report or IomapPurpose.Unshare) LookForOthers(segment.Private);
        else LookForTarget(segment.Private);
    }

    private readonly bool MayShare => file.Inode.Core.Has(InodeFlags2.Reflink);

    /// <summary>
    /// Blocks that are joined although they have different owners, at most, for whoever does not come by all of them once: he would
    /// join the rest of a long extent again and again.
    /// </summary>
    private const uint JoinedAtOnce = 4096;

    /// <summary>Cuts the run where it begins or ends to be shared; by how many does not matter.</summary>
    private void LookForOthers(bool isPrivate)
    {
        if (isPrivate || !MayShare) return;
        AllocationGroup group = volume.Groups.Of(_current.Start);
        AgBlock block = volume.Geometry.BlockInAg(_current.Start);
        uint all = (uint)_current.Length, alike = all, most = purpose == IomapPurpose.Report ? all : Math.Min(all, JoinedAtOnce);
        bool shared = ReferenceCounts.IsShared(group, block, ref alike);
        for (uint more; shared && alike < most; alike += more)
        {
            more = all - alike;
            if (!ReferenceCounts.IsShared(group, block + alike, ref more)) break;
        }
        _current = _current with { Length = alike, Shared = shared };
    }

    /// <summary>Cuts the run to what a write can treat as one, and finds out where to.</summary>
    private void LookForTarget(bool isPrivate)
    {
        FsBlock start = _current.Start, target = start;
        FileBlock at = _current.Offset;
        AllocationGroup group = volume.Groups.Of(start);
        AgBlock block = volume.Geometry.BlockInAg(start);
        uint alike = (uint)_current.Length;
        bool shared = false;
        if (!isPrivate && MayShare)
        {
            shared = ReferenceCounts.MustCopy(group, block, ref alike);
            // A reservation left over from earlier sharing is used up, even where nobody shares any more.
            bool reserved = file.Cow.TryFind(at, out Extent reservation);
            FileBlock until = reserved ? reservation.End : file.Cow.NextStart(at, at + alike);
            alike = (uint)Math.Min(alike, until - at);
            if (reserved) target = reservation.Start + (at - reservation.Offset);
            else if (shared) target = FsBlock.Null;
        }
        // In an atomic group what was there before it stays as it is; what the group has allocated itself nobody will miss.
        if (target == start && volume.InGroup && !volume.Fresh.Contains(group.Number, block.Value, ref alike)) target = FsBlock.Null;
        _current = _current with { Length = alike, Target = target, Shared = shared };
    }

    /// <summary>Asks the refcountbt, and remembers if the answer holds for the whole extent.</summary>
    private readonly bool IsPrivate(in Segment segment, in Iomap run)
    {
        lock (volume.Gate)
        {
            // What is reserved for copy-on-write near by is used up, even where nobody shares any more.
            if (file.Cow.NextStart(segment.Offset, segment.End) != segment.End) return false;
            if (MustCopy(segment.Start, (uint)(segment.End - segment.Offset))) return !MustCopy(run.Start, (uint)run.Length);
            file.Extents.MarkPrivate(segment);
            return true;
        }
    }

    private readonly bool MustCopy(FsBlock start, uint length)
    {
        uint alike = length;
        return MayShare && (ReferenceCounts.MustCopy(volume.Groups.Of(start), volume.Geometry.BlockInAg(start), ref alike) || alike < length);
    }
}

/// <summary>Two ranges of the same length in lock step: on both sides a run that is alike, equally long.</summary>
internal struct IomapPair(IomapIterator one, IomapIterator other)
{
    private IomapIterator _one = one, _other = other;

    /// <summary>The run of the first range.</summary>
    [UnscopedRef]
    public readonly ref readonly Iomap One => ref _one.Current;

    /// <summary>The run of the second range.</summary>
    [UnscopedRef]
    public readonly ref readonly Iomap Other => ref _other.Current;

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
