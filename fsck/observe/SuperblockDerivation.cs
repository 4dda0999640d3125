using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Works out the superblock of a file system of a single group, which has no copy of it, from everything else.</summary>
/// <remarks>
/// Each number has a witness with a checksum of its own:
/// <code>
///   sector size, length, UUID   the three headers behind the superblock
///   block size                  the roots of the free-space btrees, found where only one size puts them
///   inode size, root directory  the first inode of the first chunk
///   feature bits                the roots that the headers have, the shape of inobt records, flags of inodes
///   directory blocks            the first of them
///   log                         its records, each of which says where in the log it stands; and what nobody uses behind that place
/// </code>
/// The label, the share of inodes, the stripe unit of the log and quota inodes have none: they are taken from what the superblock
/// still says, if it makes sense. The result counts only if a check with it finds nothing else wrong, or if what is left of the
/// superblock says nearly the same.
/// </remarks>
internal sealed class SuperblockDerivation
{
    private readonly BlockDevice _device;
    private readonly CancellationToken _cancellation;
    private readonly byte[] _old;
    private byte[] _sector = [];
    private Uuid _uuid;
    private Agf _agf;
    private Agi _agi;

    private readonly long _memory;

    private SuperblockDerivation(BlockDevice device, byte[] old, long memory, CancellationToken cancellation) => (_device, _old, _memory, _cancellation) = (device, old, memory, cancellation);

    private ref Superblock Sb => ref Superblock.At(_sector.AsSpan());

    /// <param name="old">What is left of the superblock; at least its first 512 bytes.</param>
    /// <param name="memory">The most memory for what grows with the image, in bytes.</param>
    /// <param name="unlessSame">The old bytes make a superblock: one that says the same need not be proved.</param>
    /// <param name="isUnusable">The superblock cannot be right, so its other fields are a witness.</param>
    /// <returns>The sector; null if it cannot be worked out, or not proved.</returns>
    public static byte[]? TryDerive(BlockDevice device, byte[] old, long memory, CancellationToken cancellation, bool unlessSame = false, bool isUnusable = false)
    {
        try
        {
            SuperblockDerivation derivation = new(device, old, memory, cancellation);
            bool isThere = derivation.ReadHeaders() && derivation.FindBlockSize() && derivation.FindInodes() && derivation.FindLog();
            return isThere && !(unlessSame && SuperblockFinder.SameGeometry(old, derivation._sector)) && derivation.IsProved(isUnusable) ? derivation._sector : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>
    /// True if a superblock deserves to be held against one that is worked out, which takes two readings of the image and a check:
    /// what costs little contradicts it, or what was found may be its fault.
    /// </summary>
    /// <param name="report">A check made with it.</param>
    public static bool IsSuspect(BlockDevice device, byte[] sector, FsckReport report, CancellationToken cancellation)
    {
        ref readonly Superblock sb = ref Superblock.At((ReadOnlySpan<byte>)sector);
        SuperblockDerivation derivation = new(device, sector, memory: 0, cancellation);
        try
        {
            // Without these nothing can be worked out.
            if (!derivation.ReadHeaders() || !derivation.FindBlockSize() || !derivation.FindFirstInode(out _)) return false;
        }
        catch (IOException)
        {
            return false;
        }
        ref readonly Superblock found = ref derivation.Sb;
        if (found.SectorSize != sb.SectorSize || found.BlockSize != sb.BlockSize || found.AgBlocks != sb.AgBlocks || found.DataBlocks != sb.DataBlocks
            || found.InodeSize != sb.InodeSize || found.RootInode != sb.RootInode || found.FeaturesRoCompat != sb.FeaturesRoCompat || derivation._uuid != sb.MetadataUuid) return true;
        if (report.Unlisted > 0 || report.Counts.ContainsKey(FindingCodes.LogDamaged)) return true;
        // Features and the size of directory blocks show in the root and in most of the others, a wrong length of the log at its end.
        long directories = report.Counts.Where(p => p.Key.Text.StartsWith("dir-", StringComparison.Ordinal)).Sum(p => p.Value);
        if (2 * directories >= report.Statistics.Directories) return true;
        ulong root = sb.RootInode, log = new Geometry(sb).LogStart.Value, end = log + sb.LogBlocks;
        bool knowsParents = sb.Has(IncompatFeatures.ParentPointers);
        return report.Findings.Any(f => f.Severity != Severity.Info && (f.Inode == root || f.AgBlock >= log && f.AgBlock <= end
            || !knowsParents && f.Code.Text.StartsWith("attr-", StringComparison.Ordinal)));
    }

    private byte[] Read(long offset, int length)
    {
        if (offset < 0 || offset > _device.Length - length) throw new XfsException(Errno.EIO, $"{length} bytes at {offset} are outside the image");
        byte[] bytes = new byte[length];
        _device.Read(offset, bytes);
        return bytes;
    }

    private bool ReadHeaders()
    {
        for (int size = 512; size <= 32768; size *= 2)
        {
            if (4L * size > _device.Length) return false;
            byte[] agf = Read(size, size), agi = Read(2L * size, size), agfl = Read(3L * size, size);
            if (!Crc32c.IsValid(agf, Agf.CrcOffset) || !Crc32c.IsValid(agi, Agi.CrcOffset) || !Crc32c.IsValid(agfl, AgflHeader.CrcOffset)) continue;
            (_agf, _agi) = (Agf.At((ReadOnlySpan<byte>)agf), Agi.At((ReadOnlySpan<byte>)agi));
            _uuid = _agf.Uuid;
            if (_agf.Magic != Agf.MagicNumber || _agi.Magic != Agi.MagicNumber || _agf.SequenceNumber != 0 || _agi.SequenceNumber != 0
                || _agf.Length != _agi.Length || _uuid != _agi.Uuid || _uuid != AgflHeader.At((ReadOnlySpan<byte>)agfl).Uuid) return false;
            _sector = new byte[size];
            Sb.Magic = Superblock.MagicNumber;
            Sb.SectorSize = (ushort)size;
            Sb.SectorLog = (byte)BitOperations.Log2((uint)size);
            if (size > 512) (Sb.LogSectorSize, Sb.LogSectorLog) = (Sb.SectorSize, Sb.SectorLog);
            Sb.AgCount = 1;
            Sb.AgBlocks = _agf.Length;
            Sb.DataBlocks = _agf.Length.Value;
            Sb.AgBlockLog = (byte)Geometry.CeilLog2(_agf.Length);
            return _agf.Length >= 64;
        }
        return false;
    }

    private bool FindBlockSize()
    {
        for (int log = Math.Max(10, (int)Sb.SectorLog); log <= 16; log++)
        {
            Sb.BlockSize = 1u << log;
            Sb.BlockLog = (byte)log;
            if ((long)_agf.Length << log > _device.Length || !IsRoot(BlockKind.Bnobt, _agf.BnoRoot) || !IsRoot(BlockKind.Cntbt, _agf.CntRoot)) continue;
            RoCompatFeatures features = (IsRoot(BlockKind.Rmapbt, _agf.RmapRoot) ? RoCompatFeatures.ReverseMapBtree : 0)
                | (IsRoot(BlockKind.Refcountbt, _agf.RefcountRoot) ? RoCompatFeatures.Reflink : 0)
                | (IsRoot(BlockKind.Finobt, _agi.FreeRoot) ? RoCompatFeatures.FreeInodeBtree : 0)
                | (_agi.InodeBtreeBlocks != 0 ? RoCompatFeatures.InodeBtreeCounters : 0);
            Sb.FeaturesRoCompat = (uint)features;
            return IsRoot(BlockKind.Inobt, _agi.Root);
        }
        return false;
    }

    private bool IsRoot(BlockKind kind, uint block)
    {
        long offset = (long)block << Sb.BlockLog;
        if (block == 0 || block >= _agf.Length || offset > _device.Length - Sb.BlockSize) return false;
        byte[] bytes = Read(offset, (int)Sb.BlockSize.Value);
        ref readonly ShortBtreeHeader header = ref ShortBtreeHeader.At((ReadOnlySpan<byte>)bytes);
        return header.Magic == kind.Magic() && header.Owner == 0 && header.BlockNumber == (ulong)offset / 512 && header.Uuid == _uuid && Crc32c.IsValid(bytes, ShortBtreeHeader.CrcOffset);
    }

    /// <summary>The size of inodes, and the root directory, which is the first of them.</summary>
    private bool FindFirstInode(out bool sparse)
    {
        sparse = false;
        byte[] leaf = FirstLeaf();
        if (ShortBtreeHeader.At((ReadOnlySpan<byte>)leaf).RecordCount == 0) return false;
        InodeChunkRecord first = MemoryMarshal.Read<InodeChunkRecord>(leaf.AsSpan(ShortBtreeHeader.Size));
        // Without sparse inodes the free count, at most 64, stands where these have holes and count.
        sparse = first.FreeCountFull > InodeChunkRecord.InodesPerChunk;
        for (int log = 9; log <= 11; log++)
        {
            if (log >= Sb.BlockLog) return false;
            Sb.InodeSize = (ushort)(1 << log);
            Sb.InodeLog = (byte)log;
            Sb.InodesPerBlockLog = (byte)(Sb.BlockLog - log);
            Sb.InodesPerBlock = (ushort)(1 << Sb.InodesPerBlockLog);
            if (IsInode(first.Start)) break;
            if (log == 11) return false;
        }
        Sb.RootInode = first.Start.Value;
        return true;
    }

    /// <summary>Alignment and features that inodes show.</summary>
    private bool FindInodes()
    {
        if (!FindFirstInode(out bool sparse)) return false;
        Sb.RealtimeBitmapInode = Sb.RootInode + 1;
        Sb.RealtimeSummaryInode = Sb.RootInode + 2;
        Sb.Features2 = Sb.BadFeatures2 = (uint)(Features2.LazyCounters | Features2.Attributes2 | Features2.ProjectId32 | Features2.Crc);
        uint cluster = (uint)(8192 * (Sb.InodeSize / 256) / (int)Sb.BlockSize.Value), chunk = (uint)(InodeChunkRecord.InodesPerChunk * Sb.InodeSize / (int)Sb.BlockSize.Value);
        (Sb.InodeAlignment, Sb.SparseInodeAlignment) = sparse ? (chunk, cluster) : (cluster, 0);
        Sb.FeaturesIncompat = (uint)(IncompatFeatures.FileType | (sparse ? IncompatFeatures.SparseInodes : 0));
        Sb.RealtimeExtentSize = Math.Max(1, 4096u >> Sb.BlockLog);
        Sb.DirectoryBlockLog = (byte)Math.Max(0, 12 - Sb.BlockLog);
        LookAtInodes();
        return true;
    }

    private byte[] FirstLeaf()
    {
        uint block = _agi.Root;
        byte[] bytes = Read((long)block << Sb.BlockLog, (int)Sb.BlockSize.Value);
        for (int level = ShortBtreeHeader.At((ReadOnlySpan<byte>)bytes).Level; level > 0; level--)
        {
            int capacity = ((int)Sb.BlockSize.Value - ShortBtreeHeader.Size) / 8;
            block = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(ShortBtreeHeader.Size + 4 * capacity));
            if (!IsRoot(BlockKind.Inobt, block)) throw new XfsException(Errno.EUCLEAN, "the inobt cannot be followed");
            bytes = Read((long)block << Sb.BlockLog, (int)Sb.BlockSize.Value);
        }
        return bytes;
    }

    private bool IsInode(uint number)
    {
        long offset = ((long)(number >> Sb.InodesPerBlockLog) << Sb.BlockLog) + ((long)(number & (Sb.InodesPerBlock - 1u)) << Sb.InodeLog);
        byte[] inode = Read(offset, Sb.InodeSize.Value);
        ref readonly InodeCore core = ref InodeCore.At((ReadOnlySpan<byte>)inode);
        return core.Magic == InodeCore.MagicNumber && core.Number == number && core.Uuid == _uuid && core.IsDirectory && Crc32c.IsValid(inode, InodeCore.CrcOffset);
    }

    /// <summary>Reads all blocks once: inodes tell features by their flags, a directory block its size.</summary>
    private void LookAtInodes()
    {
        int block = (int)Sb.BlockSize.Value, size = Sb.InodeSize;
        bool sized = false;
        IncompatFeatures shown = 0;
        byte[] window = new byte[1 << 20];
        long end = (long)_agf.Length << Sb.BlockLog;
        for (long start = 0; start < end; start += window.Length)
        {
            _cancellation.ThrowIfCancellationRequested();
            int length = (int)Math.Min(window.Length, end - start);
            _device.Read(start, window.AsSpan(0, length));
            for (int at = 0; at < length; at += block)
            {
                ReadOnlySpan<byte> bytes = window.AsSpan(at, block);
                if (!sized && BinaryPrimitives.ReadUInt32BigEndian(bytes) is DirectoryMagic.Block or DirectoryMagic.Data && DirectoryDataHeader.At(bytes).Uuid == _uuid)
                    sized = TrySizeDirectory(start + at);
                for (int i = 0; i < block; i += size) shown |= ShownBy(bytes.Slice(i, size));
            }
        }
        Sb.FeaturesIncompat |= (uint)shown;
    }

    private IncompatFeatures ShownBy(ReadOnlySpan<byte> inode)
    {
        ref readonly InodeCore core = ref InodeCore.At(inode);
        if (core.Magic != InodeCore.MagicNumber || core.Uuid != _uuid || core.Mode == 0 || !Crc32c.IsValid(inode, InodeCore.CrcOffset)) return 0;
        return (core.Has(InodeFlags2.BigTime) ? IncompatFeatures.BigTime : 0) | (core.Has(InodeFlags2.LargeExtentCounters) ? IncompatFeatures.LargeExtentCounters : 0)
            | (HasParentPointer(inode) ? IncompatFeatures.ParentPointers : 0);
    }

    private bool TrySizeDirectory(long offset)
    {
        for (int log = Sb.BlockLog; log <= 16; log++)
        {
            if (offset + (1 << log) > _device.Length || !Crc32c.IsValid(Read(offset, 1 << log), DirectoryDataHeader.CrcOffset)) continue;
            Sb.DirectoryBlockLog = (byte)(log - Sb.BlockLog);
            return true;
        }
        return false;
    }

    private static bool HasParentPointer(ReadOnlySpan<byte> inode)
    {
        ref readonly InodeCore core = ref InodeCore.At(inode);
        int start = InodeCore.Size + core.ForkOffset * 8;
        return core.ForkOffset != 0 && core.AttributeFormat == ForkFormat.Local && start + 7 <= inode.Length && inode[start + 2] > 0
            && ((AttributeFlags)inode[start + 6] & AttributeFlags.Parent) != 0;
    }

    private bool FindLog()
    {
        // Where a record stands in the log it says itself; copies of it elsewhere, in files, are in the minority.
        Dictionary<(long Start, Uuid Uuid), int> votes = [];
        byte[] window = new byte[1 << 20];
        for (long at = 0; at < _device.Length; at += window.Length)
        {
            _cancellation.ThrowIfCancellationRequested();
            int length = (int)Math.Min(window.Length, _device.Length - at);
            _device.Read(at, window.AsSpan(0, length));
            for (int i = 0; i + LogRecordHeader.BasicBlock <= length; i += LogRecordHeader.BasicBlock)
            {
                ref readonly LogRecordHeader header = ref LogRecordHeader.At((ReadOnlySpan<byte>)window.AsSpan(i));
                if (header.Magic != LogRecordHeader.MagicNumber || header.Uuid.IsNull) continue;
                long start = at + i - (long)new LogSequenceNumber(header.Lsn).Block * LogRecordHeader.BasicBlock;
                if (start > 0 && start % Sb.BlockSize == 0) votes[(start, header.Uuid)] = votes.GetValueOrDefault((start, header.Uuid)) + 1;
            }
        }
        if (votes.Count == 0) return false;
        (long logOffset, Uuid uuid) = votes.MaxBy(v => (v.Value, -v.Key.Start)).Key;
        Sb.Uuid = uuid;
        Sb.LogStart = (ulong)(logOffset >> Sb.BlockLog);
        Sb.LogBlocks = 1;
        if (uuid != _uuid)
        {
            Sb.FeaturesIncompat |= (uint)IncompatFeatures.MetaUuid;
            Sb.MetaUuid = _uuid;
        }
        TakeUnproved();
        if (SuperblockVerifier.VerifyLayout(_sector) is not null) return false;
        Sb.LogBlocks = LengthOfLog(new Geometry(Sb));
        return true;
    }

    /// <summary>The blocks from the start of the log on that nobody claims and that are not free.</summary>
    private uint LengthOfLog(Geometry g)
    {
        AgNumber ag = new(0);
        using MemoryBudget budget = new(_memory);
        Scan scan = new(_device, g, default, new FindingList(0, 0), _cancellation, budget);
        TreeWalker walker = new(scan);
        GroupHeaders headers = new(scan);
        if (!headers.Load(ag)) return 1;
        new ChunkScan(scan, walker, headers).Observe(ag);
        new InodeScan(scan, new ForkScan(scan, walker)).Observe(ag);
        GroupCompare compare = new(scan, walker, headers);
        compare.Compare(ag);
        uint start = (uint)Sb.LogStart.Value, end = _agf.Length;
        foreach (ref readonly Claim claim in compare.Claims.Span)
            if (claim.Start > start) end = Math.Min(end, claim.Start);
        Scan other = new(_device, g, default, new FindingList(0, 0), _cancellation, budget);
        PackedList<FreeRun> free = new();
        FreeVisitor visitor = new(other, ag, "bnobt", byStart: true, free);
        new TreeWalker(other).Walk<BnobtTree, FreeVisitor>(ag, _agf.BnoRoot, _agf.BnoLevel, ref visitor);
        foreach (ref readonly FreeRun run in free.Span)
            if (run.Start > start) end = Math.Min(end, run.Start);
        return end - start;
    }

    /// <summary>What no other structure knows: kept from the old bytes where it can be true, else as mkfs would have it.</summary>
    private void TakeUnproved()
    {
        ref readonly Superblock old = ref Superblock.At((ReadOnlySpan<byte>)_old);
        Sb.VersionNumber = (ushort)(5 | (ushort)(VersionBits.LinkCounts32 | VersionBits.InodeAlignment | VersionBits.LogV2 | VersionBits.UnwrittenExtents
            | VersionBits.DirectoryV2 | VersionBits.MoreBits | VersionBits.Attributes | (Sb.SectorSize > 512 ? VersionBits.SectorSize : 0)));
        Sb.InodeMaxPercent = old.InodeMaxPercent is > 0 and <= 100 ? old.InodeMaxPercent : (byte)25;
        uint unit = old.LogStripeUnit;
        Sb.LogStripeUnit = unit > 1 && unit % Sb.BlockSize == 0 && unit <= 256 << 10 && BitOperations.IsPow2(unit) ? unit : 1;
        ReadOnlySpan<byte> label = old.Label;
        int end = label.IndexOf((byte)0);
        if (end < 0) end = label.Length;
        if (!label[..end].ContainsAnyExceptInRange((byte)0x20, (byte)0x7e) && !label[end..].ContainsAnyExcept((byte)0)) label.CopyTo(Sb.Label);
        Sb.InodeCount = _agi.Count.Value;
        Sb.FreeInodes = _agi.FreeCount.Value;
        Sb.FreeDataBlocks = (ulong)_agf.FreeBlocks + _agf.FreeListCount + _agf.BtreeBlocks;
    }

    /// <summary>True if with this superblock everything else is as it should be, or if it is nearly the one that cannot be right.</summary>
    private bool IsProved(bool isUnusable)
    {
        if (SuperblockVerifier.VerifyLayout(_sector) is not null || SuperblockVerifier.Judge(Sb).Level == Support.Refused) return false;
        Crc32c.Stamp(_sector, Superblock.CrcOffset);
        const int mostWrong = 2;
        if (isUnusable && SuperblockFields.Shared.Count(f => !_old.AsSpan(f.Offset, f.Size).SequenceEqual(_sector.AsSpan(f.Offset, f.Size))) <= mostWrong) return true;
        OverlayDevice view = new(_device);
        view.Write(0, _sector);
        FsckReport report = Checker.Check(view, new FsckOptions { MaxFindings = 0, MemoryBytes = _memory }, cancellation: _cancellation);
        return report.Scan == ScanExtent.Complete && report.Counts.Keys.All(c => c.Severity == Severity.Info || c.Text.StartsWith("sb-", StringComparison.Ordinal));
    }
}
