using System.Numerics;
using ImageFs.Allocation;
using ImageFs.DaBtrees;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Directories;

/// <summary>A directory kept in an inode's data fork: its blocks are metadata and go through the cache.</summary>
internal sealed class DirectoryStorage(AllocationGroups groups, BlockMap map, Inode inode)
    : ForkStorage(groups, map, inode, ForkKind.Data, (uint)inode.Geometry.DirectoryBlockFsBlocks), IDirectoryStorage
{
    // Always true while the version is the map's: what is known here of the mapping is what the fork says.
    private readonly ExtentCache _extents = new();
    private FileBlock? _end;
    private int _version;

    private const int LeastKept = 16, MostKept = 1 << 16;

    /// <summary>A block that was read, and the version of the mapping that led to it.</summary>
    private struct Kept
    {
        public FileBlock At;
        public MetadataBuffer? Buffer;
        public int Version;
    }

    // Blocks at hand by their place in the directory: one that is found here needs neither the mapping nor the cache.
    private Kept[] _kept = [];

    public override MetadataBuffer? ReadBlock(FileBlock at, BlockKind kind)
    {
        if (_kept.Length > 0)
        {
            ref Kept here = ref PlaceOf(at);
            if (here.At == at && here.Version == Map.DirectoryVersion && here.Buffer is MetadataBuffer known && known.IsStill(kind))
            {
                known.Refer();
                return known;
            }
        }
        if (base.ReadBlock(at, kind) is not MetadataBuffer buffer) return null;
        // Whoever wants to change it must look at it anew.
        if (buffer.IsInPieces) return buffer;
        int blocks = (int)Math.Min(MostKept, Core.FileSize / (ulong)Geometry.DirectoryBlockSize);
        if (blocks >= _kept.Length && _kept.Length < MostKept) _kept = new Kept[Math.Clamp((int)BitOperations.RoundUpToPowerOf2((uint)blocks + 1) * 2, LeastKept, MostKept)];
        PlaceOf(at) = new Kept { At = at, Buffer = buffer, Version = Map.DirectoryVersion };
        return buffer;
    }

    // Neighbours lie side by side; the hash index, far behind the data, begins somewhere in the middle.
    private ref Kept PlaceOf(FileBlock at)
    {
        ulong block = at.Value / (uint)Geometry.DirectoryBlockFsBlocks;
        return ref _kept[(int)(block + (block >> 18) * 0x9E37_79B1) & (_kept.Length - 1)];
    }

    /// <summary>Lets go of the blocks that are kept at hand.</summary>
    public void ForgetBlocks() => _kept = [];

    protected override bool TryMap(FileBlock at, out Extent extent)
    {
        ForgetWhatChanged();
        if (!_extents.TryFind(at, out Segment segment))
        {
            Extent[] around = Map.ReadAround(Inode, ForkKind.Data, at, out FileBlock from, out FileBlock to);
            _extents.Add(at, from, to, around, allPrivate: false);
            bool found = _extents.TryFind(at, out segment);
            Invariant.Holds(found, "what was just loaded is found");
        }
        extent = segment.IsHole ? default : new Extent(segment.Offset, segment.Start, (uint)(segment.End - segment.Offset), segment.Unwritten);
        return !segment.IsHole;
    }

    public override FileBlock EndOfMapped(FileBlock limit)
    {
        ForgetWhatChanged();
        return limit.Value == FileBlock.Limit ? _end ??= base.EndOfMapped(limit) : base.EndOfMapped(limit);
    }

    private void ForgetWhatChanged()
    {
        if (_version == Map.DirectoryVersion) return;
        _version = Map.DirectoryVersion;
        _extents.Forget(default, new FileBlock(FileBlock.Limit));
        _end = null;
    }

    public ReadOnlySpan<byte> DataFork => Inode.Fork(ForkKind.Data);
    public Span<byte> ModifyDataFork(Transaction tx) => Inode.ModifyFork(tx, ForkKind.Data);

    public void BecomeExtents(Transaction tx)
    {
        Inode.ModifyFork(tx, ForkKind.Data).Clear();
        Inode.SetFormat(tx, ForkKind.Data, ForkFormat.Extents);
    }

    public void BecomeLocal(Transaction tx)
    {
        Invariant.Holds(Inode.ExtentCount(ForkKind.Data) == 0, "a fork without extents can hold its contents itself");
        Inode.ModifyFork(tx, ForkKind.Data).Clear();
        Inode.SetFormat(tx, ForkKind.Data, ForkFormat.Local);
    }
}
