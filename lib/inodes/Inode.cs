using ImageFs.Format;
using ImageFs.Metadata;
using ImageFs.Transactions;

namespace ImageFs.Inodes;

/// <summary>Which of an inode's forks.</summary>
internal enum ForkKind
{
    Data,
    Attribute,
}

/// <summary>One inode, seen through its cluster buffer. Holds no copy: what it shows is what the running transaction sees.</summary>
internal sealed class Inode
{
    private readonly MetadataCache _cache;
    private readonly long _cluster;
    private readonly int _at;
    private MetadataBuffer? _buffer;

    internal Inode(MetadataCache cache, InodeNumber number)
    {
        _cache = cache;
        Number = number;
        Geometry g = cache.Geometry;
        AgInode inAg = g.InodeInAg(number);
        AgBlock cluster = g.ClusterOf(inAg);
        _cluster = g.ByteOffset(g.AgOf(number), cluster);
        _at = (int)(inAg.Value - g.FirstInode(cluster).Value) * g.InodeMemorySize;
    }

    /// <summary>Its number.</summary>
    public InodeNumber Number { get; }

    public Geometry Geometry => _cache.Geometry;

    internal MetadataCache Cache => _cache;

    internal MetadataBuffer Cluster => _cache.Read(ref _buffer, _cluster, Geometry.InodeClusterBytes, BlockKind.InodeCluster);

    internal int Slot => _at / Geometry.InodeMemorySize;

    /// <summary>All bytes of the inode.</summary>
    public ReadOnlySpan<byte> Bytes => Cluster.Data.Slice(_at, Geometry.InodeMemorySize);

    /// <summary>All bytes of the inode, to change.</summary>
    public Span<byte> ModifyBytes(Transaction tx) => tx.Modify(Cluster).Slice(_at, Geometry.InodeMemorySize);

    /// <summary>The fixed part.</summary>
    public ref readonly InodeCore Core => ref InodeCore.At(Bytes);

    /// <summary>The fixed part, to change.</summary>
    public ref InodeCore Modify(Transaction tx) => ref InodeCore.At(ModifyBytes(tx));

    public bool IsDirectory => Core.IsDirectory;
    public bool IsRegular => Core.IsRegular;

    /// <summary>The bytes of a fork: its capacity, whatever of it is used.</summary>
    public ReadOnlySpan<byte> Fork(ForkKind kind)
    {
        ReadOnlySpan<byte> bytes = Bytes;
        int data = InodeCore.At(bytes).DataForkSize(bytes.Length);
        return kind == ForkKind.Data ? bytes.Slice(InodeCore.Size, data)
            : InodeCore.At(bytes).ForkOffset == 0 ? [] : bytes[(InodeCore.Size + data)..];
    }

    /// <summary>The bytes of a fork, to change.</summary>
    public Span<byte> ModifyFork(Transaction tx, ForkKind kind)
    {
        Span<byte> bytes = ModifyBytes(tx);
        int data = InodeCore.At(bytes).DataForkSize(bytes.Length);
        return kind == ForkKind.Data ? bytes.Slice(InodeCore.Size, data)
            : InodeCore.At(bytes).ForkOffset == 0 ? [] : bytes[(InodeCore.Size + data)..];
    }

    /// <summary>How a fork keeps its contents.</summary>
    public ForkFormat Format(ForkKind kind) => kind == ForkKind.Data ? Core.Format : Core.AttributeFormat;

    /// <summary>Extents of a fork.</summary>
    public ulong ExtentCount(ForkKind kind) => kind == ForkKind.Data ? Core.ExtentCount : Core.AttrExtentCount;

    internal void SetFormat(Transaction tx, ForkKind kind, ForkFormat format)
    {
        ref InodeCore core = ref Modify(tx);
        if (kind == ForkKind.Data) core.Format = format; else core.AttributeFormat = format;
    }

    /// <summary>The most extents the data fork may come to have: its counter is made larger when it has to be.</summary>
    internal ulong MostExtents => Geometry.HasLargeExtentCounters ? InodeCore.MostExtents : Core.MaxExtents;

    internal void AddExtents(Transaction tx, ForkKind kind, long change)
    {
        ref InodeCore core = ref Modify(tx);
        if (kind == ForkKind.Data)
        {
            ulong count = (ulong)((long)core.ExtentCount + change);
            if (count > core.MaxExtents && Geometry.HasLargeExtentCounters) core.EnlargeExtentCounters();
            if (count > core.MaxExtents) throw new XfsException(Errno.EFBIG, $"inode {Number}: more than {core.MaxExtents} extents");
            core.ExtentCount = count;
        }
        else
        {
            long count = core.AttrExtentCount + change;
            if (count > core.MaxAttrExtents && Geometry.HasLargeExtentCounters) core.EnlargeExtentCounters();
            if (count > core.MaxAttrExtents) throw new XfsException(Errno.EFBIG, $"inode {Number}: more than {core.MaxAttrExtents} extents of attributes");
            core.AttrExtentCount = (uint)count;
        }
    }

    internal void AddBlocks(Transaction tx, long change)
    {
        ref InodeCore core = ref Modify(tx);
        core.BlockCount = (ulong)((long)core.BlockCount.Value + change);
    }

    /// <summary>A contradiction in this inode.</summary>
    internal CorruptionException Corrupt(string problem) => new($"inode {Number}", _cache.Where(_cluster), problem);

    public override string ToString() => $"inode {Number}";
}

/// <summary>Finds inodes by number and checks them once per read of their cluster.</summary>
internal sealed class InodeStore(MetadataCache cache)
{
    public MetadataCache Cache => cache;

    /// <summary>An inode that is in use.</summary>
    /// <exception cref="CorruptionException">The number is impossible, the inode is free, or it contradicts the format.</exception>
    public Inode Get(InodeNumber number)
    {
        Inode inode = GetRaw(number);
        RequireInUse(inode);
        return inode;
    }

    /// <summary>Looks at an inode that was got before as if it were got now.</summary>
    /// <inheritdoc cref="Get"/>
    public void CheckInUse(Inode inode)
    {
        Check(inode);
        RequireInUse(inode);
    }

    private static void RequireInUse(Inode inode)
    {
        if (inode.Core.Mode == 0) throw inode.Corrupt("is referred to, but free");
    }

    /// <summary>An inode in use or free; its identity is checked.</summary>
    public Inode GetRaw(InodeNumber number)
    {
        if (!cache.Geometry.IsValid(number)) throw new CorruptionException($"inode {number.Value}", "the inode space", "no inode can have this number");
        Inode inode = new(cache, number);
        Check(inode);
        return inode;
    }

    private void Check(Inode inode)
    {
        InodeNumber number = inode.Number;
        MetadataBuffer cluster = inode.Cluster;
        bool[] verified = cluster.VerifiedInodes ??= new bool[cache.Geometry.InodesPerCluster];
        int slot = inode.Slot;
        if (verified[slot]) return;
        // A buffer the log already knows may carry a checksum that is due only at write-back.
        bool fresh = cluster.CanEvict && !cache.Geometry.IsVersion4;
        Fault? fault = fresh ? BlockVerifier.VerifyInode(inode.Bytes, cache.Geometry, number)
            : BlockVerifier.VerifyInodeStructure(inode.Bytes, cache.Geometry, number);
        if (fault is Fault found)
            throw new CorruptionException($"inode {number}", cache.Where(cluster.Offset), found.ToString(), found.IsChecksum ? Errno.EBADMSG : Errno.EUCLEAN);
        verified[slot] = true;
    }
}
