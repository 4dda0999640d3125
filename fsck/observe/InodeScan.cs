using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>A directory to be read once all inodes are known.</summary>
internal struct DirectoryNode
{
    public ulong Inode;
    /// <summary>Where its ".." leads.</summary>
    public ulong Parent;
    /// <summary>Index of the directory whose entry names it; -1 as long as none was found.</summary>
    public int NamedBy;
    public int Slot;
    public uint Generation;
    /// <summary>True if its ".." could be read.</summary>
    public bool IsRead;
}

/// <summary>An inode without names, and the one behind it on its unlinked list.</summary>
internal struct UnlinkedInode
{
    public ulong Inode;
    public uint Next;
    public bool IsListed;
}

/// <summary>Observes the inodes of a group in the order of the disk: cores, forks, claims, link counts.</summary>
internal sealed class InodeScan
{
    private const int BatchBytes = 1 << 18;
    /// <summary>A node, and what the list of them has to spare.</summary>
    private const int BytesOfDirectory = 60;
    private const InodeFlags2 KnownFlags2 = InodeFlags2.Dax | InodeFlags2.Reflink | InodeFlags2.CowExtentSize | InodeFlags2.BigTime | InodeFlags2.LargeExtentCounters;
    private readonly Scan _scan;
    private readonly Geometry _g;
    private readonly ForkScan _forks;
    private readonly AttributeScan _attributes;
    private readonly SymlinkScan _symlinks;
    private readonly QuotaScan _quotas;
    private readonly byte[] _batch;
    private readonly int _chunkBytes;
    private readonly ulong _realtimeBitmap, _realtimeSummary;
    private readonly bool _hasRealtime;

    /// <param name="parents">Where parent pointers go; null if nobody asks for them.</param>
    public InodeScan(Scan scan, ForkScan forks, ParentTable? parents = null)
    {
        _scan = scan;
        _g = scan.Geometry;
        _forks = forks;
        _attributes = new AttributeScan(scan, forks, parents);
        _symlinks = new SymlinkScan(scan);
        _quotas = new QuotaScan(scan);
        _chunkBytes = InodeChunkRecord.InodesPerChunk * _g.InodeSize;
        Superblock sb = _g.Superblock;
        (_realtimeBitmap, _realtimeSummary, _hasRealtime) = (sb.RealtimeBitmapInode, sb.RealtimeSummaryInode, sb.RealtimeBlocks != 0);
        _batch = new byte[Math.Max(BatchBytes, _chunkBytes)];
    }

    /// <summary>Directories, in rising order of their inode numbers.</summary>
    public PackedList<DirectoryNode> Directories { get; } = new();

    /// <summary>Inodes in use whose link count is 0, in rising order.</summary>
    public PackedList<UnlinkedInode> Unlinked { get; } = new();

    public long InodesSeen { get; private set; }
    public bool HasAttributes { get; private set; }

    /// <summary>Index of a directory, -1 if the inode is none.</summary>
    public int FindDirectory(ulong number)
    {
        ReadOnlySpan<DirectoryNode> all = Directories.Span;
        int low = 0, high = all.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (all[middle].Inode < number) low = middle + 1; else high = middle;
        }
        return low < all.Length && all[low].Inode == number ? low : -1;
    }

    /// <summary>Index of an inode without links, -1 if it is none.</summary>
    public int FindUnlinked(ulong number)
    {
        ReadOnlySpan<UnlinkedInode> all = Unlinked.Span;
        int low = 0, high = all.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (all[middle].Inode < number) low = middle + 1; else high = middle;
        }
        return low < all.Length && all[low].Inode == number ? low : -1;
    }

    /// <summary>Takes over what another worker has seen; <see cref="Arrange"/> follows the last one.</summary>
    public void Absorb(InodeScan worker)
    {
        Directories.AddRange(worker.Directories.Span);
        Unlinked.AddRange(worker.Unlinked.Span);
        InodesSeen += worker.InodesSeen;
        HasAttributes |= worker.HasAttributes;
    }

    /// <summary>Puts what came from several workers into the order of inode numbers.</summary>
    public void Arrange()
    {
        Directories.Span.Sort(static (a, b) => a.Inode.CompareTo(b.Inode));
        Unlinked.Span.Sort(static (a, b) => a.Inode.CompareTo(b.Inode));
    }

    public void Observe(AgNumber ag) => Observe(ag, 0, int.MaxValue);

    /// <summary>Observes the inodes of some chunks of a group.</summary>
    public void Observe(AgNumber ag, int first, int count)
    {
        Span<InodeChunk> chunks = _scan.Inodes.Chunks(ag)[first..];
        chunks = chunks[..Math.Min(count, chunks.Length)];
        for (int i = 0; i < chunks.Length;)
        {
            // Chunks that follow each other on the disk are read in one go.
            long start = Offset(ag, chunks[i].Start);
            int run = 1;
            if (chunks[i].Holes == 0)
                while (i + run < chunks.Length && (run + 1) * _chunkBytes <= _batch.Length && chunks[i + run].Holes == 0
                    && Offset(ag, chunks[i + run].Start) == start + (long)run * _chunkBytes) run++;
            bool read = run > 1 && _scan.TryReadQuietly(start, _batch.AsSpan(0, run * _chunkBytes), out _);
            for (int c = 0; c < run; c++)
            {
                ref InodeChunk chunk = ref chunks[i + c];
                Span<byte> bytes = read ? _batch.AsSpan(c * _chunkBytes, _chunkBytes) : _batch.AsSpan(0, _chunkBytes);
                ExamineChunk(ag, ref chunk, bytes, read);
            }
            i += run;
        }
        _scan.Extents.Flush();
    }

    /// <summary>Observes some inodes of a chunk.</summary>
    /// <param name="first">Index in the chunk, a multiple of four.</param>
    /// <param name="count">A multiple of four.</param>
    public void ObservePart(AgNumber ag, int chunk, int first, int count)
    {
        ExamineChunk(ag, ref _scan.Inodes.Chunks(ag)[chunk], _batch.AsSpan(0, _chunkBytes), isRead: false, first, first + count);
        _scan.Extents.Flush();
    }

    private long Offset(AgNumber ag, uint inode) =>
        _g.ByteOffset(ag, _g.BlockOf(new AgInode(inode))) + (long)(inode & (uint)(_g.InodesPerBlock - 1)) * _g.InodeSize;

    private void ExamineChunk(AgNumber ag, ref InodeChunk chunk, Span<byte> bytes, bool isRead, int first = 0, int behind = InodeChunkRecord.InodesPerChunk)
    {
        for (int i = first; i < behind;)
        {
            if (chunk.IsHole(i))
            {
                i += 4;
                continue;
            }
            int end = i + 4;
            while (end < behind && !chunk.IsHole(end)) end += 4;
            Span<byte> run = bytes[(i * _g.InodeSize)..(end * _g.InodeSize)];
            if (isRead || _scan.TryRead(Offset(ag, chunk.Start + (uint)i), run, "inodes", _scan.At(ag, _g.BlockOf(new AgInode(chunk.Start + (uint)i)))))
                for (int n = i; n < end; n++) Examine(ag, ref chunk, n, run.Slice((n - i) * _g.InodeSize, _g.InodeSize));
            else _scan.Inodes.MarkIncomplete(ag);
            i = end;
        }
    }

    private void Examine(AgNumber ag, ref InodeChunk chunk, int index, ReadOnlySpan<byte> inode)
    {
        AgInode agInode = new(chunk.Start + (uint)index);
        ulong number = _g.Join(ag, agInode).Value;
        ref readonly InodeCore core = ref InodeCore.At(inode);
        Where at = _scan.At(ag, _g.BlockOf(agInode), number);
        InodesSeen++;

        bool sound = Judge(inode, number, at, out bool usable);
        if (core.Magic == InodeCore.MagicNumber) _scan.Inodes.MakeSlots(ref chunk);
        else _scan.MindOrder(); // is it the first of its chunk that was looked at?
        if (chunk.Slot < 0) return;
        int slot = chunk.Slot + index;
        bool isFree = chunk.IsFree(index);
        if (!usable)
        {
            if (!isFree) _scan.Inodes.State(slot) = InodeState.Damaged;
            _scan.IsPartial |= !isFree;
            return;
        }

        uint next = core.NextUnlinked;
        if (next != uint.MaxValue && !_g.IsValid(ag, new AgInode(next)))
        {
            _scan.Report(FindingCodes.InodeNextUnlinked, at with { Field = "next_unlinked" }, next, "no inode of the group");
            next = uint.MaxValue;
        }
        if (core.Mode == 0)
        {
            if (!isFree) _scan.Report(FindingCodes.InodeUsed, at);
            else if (sound && next != uint.MaxValue) _scan.Report(FindingCodes.InodeNextUnlinked, at with { Field = "next_unlinked" }, next, "but the inode is free");
            if (sound) CheckFree(in core, at);
            return;
        }
        if (isFree) _scan.Report(FindingCodes.InodeFree, at with { Field = "mode" }, Convert.ToString(core.Mode.Value, 8));

        InodeState state = InodeState.Used | (InodeState)(core.Mode.Value >> 12);
        if (core.Has(InodeFlags2.Reflink)) state |= InodeState.Reflink;
        _scan.Inodes.State(slot) = state;
        _scan.Inodes.Links(slot) = core.LinkCount;
        if (core.LinkCount == 0) Unlinked.Add(new UnlinkedInode { Inode = number, Next = next });
        else if (next != uint.MaxValue) _scan.Report(FindingCodes.InodeNextUnlinked, at with { Field = "next_unlinked" }, next, $"but the inode has {core.LinkCount} links");
        ExamineUsed(inode, number, slot, at);
    }

    /// <summary>What must hold even for a free inode: the kernel reads it through the same verifier before it uses it again.</summary>
    private void CheckFree(in InodeCore core, Where at)
    {
        (string Field, string Problem)? fault =
            core.ForkOffset * 8 >= _g.InodeSize - InodeCore.Size || core.ForkOffset > 1 && core.Format == ForkFormat.Device ? ("forkoff", $"forkoff {core.ForkOffset}")
            : core.ForkOffset != 0 && core.AttributeFormat is not (ForkFormat.Local or ForkFormat.Extents or ForkFormat.Btree)
              || core.ForkOffset == 0 && core.AttributeFormat is not (ForkFormat.Device or ForkFormat.Extents) ? ("aformat", $"aformat {core.AttrFormat} with forkoff {core.ForkOffset}")
            : core.ForkOffset == 0 && core.AttrExtentCount != 0 ? ("naextents", $"{core.AttrExtentCount} attribute extents")
            : core.Has(InodeFlags2.LargeExtentCounters) ? core.AttrExtentCount16 != 0 ? ("nrext64_pad", $"nrext64_pad {core.AttrExtentCount16}") : null
            : core.BigExtentCount != 0 ? ("v3_pad", $"v3_pad {core.BigExtentCount}")
            : core.OldLinkCount != 0 ? ("onlink", $"onlink {core.OldLinkCount}")
            : null;
        // Flags are cleared when an inode is freed, hints stay behind but must be possible ones.
        uint most = Math.Min(Extent.MaxLength, _g.AgBlocks / 2);
        fault ??= core.Has(InodeFlags2.Reflink) ? ("flags2", "the reflink flag")
            : (core.Flags2 & ~KnownFlags2) != 0 ? ("flags2", $"flags2 0x{core.RawFlags2.Value:x}")
            : core.Flags != 0 ? ("flags", $"flags {core.Flags}")
            : core.ExtentSizeHint > most ? ("extsize", $"extsize {core.ExtentSizeHint}")
            : core.CowExtentSizeHint > most ? ("cowextsize", $"cowextsize {core.CowExtentSizeHint}")
            : null;
        if (fault is (string field, string problem)) _scan.Report(FindingCodes.Form(Structure.Inode), at with { Field = field }, $"{problem} in a free inode");
    }

    /// <summary>Holds an inode against the verifier.</summary>
    /// <param name="usable">True if its forks can be walked.</param>
    private bool Judge(ReadOnlySpan<byte> inode, ulong number, Where at, out bool usable)
    {
        ref readonly InodeCore core = ref InodeCore.At(inode);
        usable = true;
        bool checksum = Crc32c.IsValid(inode, InodeCore.CrcOffset);
        Fault? fault = BlockVerifier.VerifyInodeStructure(inode, _g, new InodeNumber(number));
        if (!checksum)
        {
            // What makes no sense behind a wrong checksum is not a second finding.
            if (core.Magic == InodeCore.MagicNumber || fault is null)
                _scan.Report(FindingCodes.Crc(Structure.Inode), at with { Field = "crc" },
                    $"found 0x{core.Crc.Value:x8}, the inode's checksum is 0x{Crc32c.Compute(inode, InodeCore.CrcOffset):x8}");
            else _scan.Report(FindingCodes.For(Structure.Inode, fault.Value), at with { Field = fault.Value.Field }, fault.Value.Problem);
            usable = fault is null;
            return false;
        }
        if (_scan.Head.Value != 0 && core.Lsn > _scan.Head.Value)
        {
            _scan.NoteBeyondLog(core.Lsn);
            _scan.Report(FindingCodes.Lsn(Structure.Inode), at with { Field = "lsn" }, $"{new LogSequenceNumber(core.Lsn)} lies ahead of the log head {_scan.Head}");
        }
        if (fault is not Fault found) return true;
        _scan.Report(FindingCodes.For(Structure.Inode, found), at with { Field = found.Field }, found.Problem);
        // Identity decides; a wrong hint or count does not make the forks unreadable.
        usable = core.Magic == InodeCore.MagicNumber && core.Version == 3 && core.Number == number
            && (core.Mode == 0 || core.ForkOffset * 8 < _g.InodeSize - InodeCore.Size);
        return false;
    }

    private void ExamineUsed(ReadOnlySpan<byte> inode, ulong number, int slot, Where at)
    {
        ref readonly InodeCore core = ref InodeCore.At(inode);
        CheckFlags(in core, number, at);
        CheckTimes(in core, at);

        if (!_hasRealtime && (number == _realtimeBitmap || number == _realtimeSummary) && (core.FileSize != 0 || core.BlockCount != 0))
            _scan.Report(FindingCodes.MetaInode, at with { Field = "size" }, $"{core.FileSize} bytes in {core.BlockCount} blocks without a realtime device");

        bool quotas = core.IsRegular && _quotas.Holds(number);
        ForkTotals data = _forks.Walk(inode, number, attribute: false, keep: core.IsSymlink || quotas);
        if (core.IsDirectory)
        {
            Directories.Add(new DirectoryNode { Inode = number, NamedBy = -1, Slot = slot, Generation = core.Generation });
            _scan.Budget.AddTables(BytesOfDirectory);
        }
        else if (core.IsSymlink) _symlinks.Examine(inode, number, _forks.Map, at);
        else if (quotas) _quotas.Examine(number, _forks.Map);

        ForkTotals attributes = default;
        if (core.ForkOffset != 0)
        {
            HasAttributes = true;
            attributes = _forks.Walk(inode, number, attribute: true, keep: true);
            _attributes.Examine(inode, number, slot, attributes.IsBroken, at);
        }
        if (!data.IsBroken && data.Extents != core.ExtentCount)
            _scan.Report(FindingCodes.InodeNextents, at with { Field = "nextents" }, core.ExtentCount, data.Extents, ForkScan.ForkName(false));
        if (!attributes.IsBroken && attributes.Extents != core.AttrExtentCount)
            _scan.Report(FindingCodes.InodeNextents, at with { Field = "naextents" }, core.AttrExtentCount, attributes.Extents, ForkScan.ForkName(true));
        ulong blocks = data.Blocks + attributes.Blocks;
        if (!data.IsBroken && !attributes.IsBroken && blocks != core.BlockCount)
            _scan.Report(FindingCodes.InodeNblocks, at with { Field = "nblocks" }, core.BlockCount, blocks);
    }

    private void CheckFlags(in InodeCore core, ulong number, Where at)
    {
        const InodeFlags forDirectories = InodeFlags.RtInherit | InodeFlags.ExtentSizeInherit | InodeFlags.ProjectInherit | InodeFlags.NoSymlinks;
        const InodeFlags forFiles = InodeFlags.Realtime | InodeFlags.ExtentSize;
        InodeFlags flags = core.Flags;
        if ((core.Flags2 & ~KnownFlags2) != 0) _scan.Report(FindingCodes.InodeFlags, at with { Field = "flags2" }, $"unknown bits 0x{(ulong)(core.Flags2 & ~KnownFlags2):x} in flags2");
        if ((flags & InodeFlags.Reserved) != 0) _scan.Report(FindingCodes.InodeFlags, at with { Field = "flags" }, "unknown bit 0x8000 in flags");
        if ((flags & forDirectories) != 0 && !core.IsDirectory) Complain("flags of a directory", flags & forDirectories);
        if ((flags & forFiles) != 0 && !core.IsRegular) Complain("flags of a regular file", flags & forFiles);
        if ((flags & InodeFlags.NewRtBitmap) != 0 && number != _realtimeBitmap) Complain("flag of the realtime bitmap", flags & InodeFlags.NewRtBitmap);
        if (core.Format == ForkFormat.Device && core.FileSize != 0) _scan.Report(FindingCodes.Form(Structure.Inode), at with { Field = "size" }, $"found {core.FileSize}, a special file has none");
        if (core.ForkOffset == 0 && core.AttributeFormat != ForkFormat.Extents) _scan.Report(FindingCodes.Form(Structure.Inode), at with { Field = "aformat" }, $"found {core.AttrFormat} without an attribute fork, expected 2");
        if ((flags & InodeFlags.Realtime) != 0 && !_hasRealtime) Complain("without a realtime device:", flags & InodeFlags.Realtime);

        void Complain(string what, InodeFlags which) => _scan.Report(FindingCodes.InodeFlags, at with { Field = "flags" }, $"{what} {which} on an inode of another kind");
    }

    private void CheckTimes(in InodeCore core, Where at)
    {
        if (core.Has(InodeFlags2.BigTime)) return;
        Check("atime", core.AccessTime);
        Check("mtime", core.ModifyTime);
        Check("ctime", core.ChangeTime);
        Check("crtime", core.CreateTime);

        void Check(string field, ulong raw)
        {
            if ((uint)raw >= 1_000_000_000) _scan.Report(FindingCodes.InodeTime, at with { Field = field }, (uint)raw);
        }
    }
}
