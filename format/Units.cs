namespace ImageFs.Format;

/// <summary>The number of an allocation group, counted from 0.</summary>
public readonly record struct AgNumber(uint Value) : IComparable<AgNumber>
{
    /// <summary>xfs NULLAGNUMBER.</summary>
    public static AgNumber Null => new(uint.MaxValue);
    public int CompareTo(AgNumber other) => Value.CompareTo(other.Value);
    public override string ToString() => Value.ToString();
}

/// <summary>A block inside an allocation group (agbno), counted in file system blocks from the group's start.</summary>
public readonly record struct AgBlock(uint Value) : IComparable<AgBlock>
{
    /// <summary>xfs NULLAGBLOCK: no block.</summary>
    public static AgBlock Null => new(uint.MaxValue);
    public bool IsNull => Value == uint.MaxValue;
    public int CompareTo(AgBlock other) => Value.CompareTo(other.Value);
    public static AgBlock operator +(AgBlock block, uint blocks) => new(checked(block.Value + blocks));
    public static AgBlock operator -(AgBlock block, uint blocks) => new(checked(block.Value - blocks));
    public static uint operator -(AgBlock end, AgBlock start) => checked(end.Value - start.Value);
    public static bool operator <(AgBlock left, AgBlock right) => left.Value < right.Value;
    public static bool operator >(AgBlock left, AgBlock right) => left.Value > right.Value;
    public static bool operator <=(AgBlock left, AgBlock right) => left.Value <= right.Value;
    public static bool operator >=(AgBlock left, AgBlock right) => left.Value >= right.Value;
    public override string ToString() => Value.ToString();
}

/// <summary>
/// A block of the whole device in packed form (fsbno): group number in the high bits, block inside the group in the low
/// <c>agblklog</c> bits. Not linear: only <see cref="Geometry"/> turns it into a device offset.
/// </summary>
public readonly record struct FsBlock(ulong Value) : IComparable<FsBlock>
{
    /// <summary>xfs NULLFSBLOCK: no block.</summary>
    public static FsBlock Null => new(ulong.MaxValue);
    public bool IsNull => Value == ulong.MaxValue;
    public int CompareTo(FsBlock other) => Value.CompareTo(other.Value);
    /// <summary>The block <paramref name="blocks"/> further on in the same group; the caller stays inside the group.</summary>
    public static FsBlock operator +(FsBlock block, ulong blocks) => new(checked(block.Value + blocks));
    public override string ToString() => Value.ToString();
}

/// <summary>A block position inside a file (fileoff), counted in file system blocks; at most 2^54 - 1.</summary>
public readonly record struct FileBlock(ulong Value) : IComparable<FileBlock>
{
    /// <summary>The first file block that cannot be mapped (the packed extent has 54 bits).</summary>
    public const ulong Limit = 1UL << 54;
    public int CompareTo(FileBlock other) => Value.CompareTo(other.Value);
    public static FileBlock operator +(FileBlock block, ulong blocks) => new(checked(block.Value + blocks));
    public static FileBlock operator -(FileBlock block, ulong blocks) => new(checked(block.Value - blocks));
    public static ulong operator -(FileBlock end, FileBlock start) => checked(end.Value - start.Value);
    public static bool operator <(FileBlock left, FileBlock right) => left.Value < right.Value;
    public static bool operator >(FileBlock left, FileBlock right) => left.Value > right.Value;
    public static bool operator <=(FileBlock left, FileBlock right) => left.Value <= right.Value;
    public static bool operator >=(FileBlock left, FileBlock right) => left.Value >= right.Value;
    public override string ToString() => Value.ToString();
}

/// <summary>The number of an inode in the whole file system (xfs_ino_t); at most 2^56 - 1.</summary>
public readonly record struct InodeNumber(ulong Value) : IComparable<InodeNumber>
{
    /// <summary>xfs NULLFSINO: no inode.</summary>
    public static InodeNumber Null => new(ulong.MaxValue);
    public bool IsNull => Value == ulong.MaxValue;
    public int CompareTo(InodeNumber other) => Value.CompareTo(other.Value);
    public override string ToString() => Value.ToString();
}

/// <summary>The number of an inode inside its allocation group (agino).</summary>
public readonly record struct AgInode(uint Value) : IComparable<AgInode>
{
    /// <summary>xfs NULLAGINO: no inode, the end of an unlinked list.</summary>
    public static AgInode Null => new(uint.MaxValue);
    public bool IsNull => Value == uint.MaxValue;
    public int CompareTo(AgInode other) => Value.CompareTo(other.Value);
    public override string ToString() => Value.ToString();
}

/// <summary>
/// A log sequence number: the cycle in the high 32 bits and the 512-byte block inside the log in the low 32.
/// </summary>
public readonly record struct LogSequenceNumber(ulong Value) : IComparable<LogSequenceNumber>
{
    public LogSequenceNumber(uint cycle, uint block) : this(((ulong)cycle << 32) | block) { }

    /// <summary>xfs NULLCOMMITLSN, all ones: carried by blocks that are never logged (remote attribute values).</summary>
    public static LogSequenceNumber Null => new(ulong.MaxValue);
    public uint Cycle => (uint)(Value >> 32);
    /// <summary>Units of 512 bytes from the start of the log.</summary>
    public uint Block => (uint)Value;
    public int CompareTo(LogSequenceNumber other) => Value.CompareTo(other.Value);
    public static bool operator <(LogSequenceNumber left, LogSequenceNumber right) => left.Value < right.Value;
    public static bool operator >(LogSequenceNumber left, LogSequenceNumber right) => left.Value > right.Value;
    public static bool operator <=(LogSequenceNumber left, LogSequenceNumber right) => left.Value <= right.Value;
    public static bool operator >=(LogSequenceNumber left, LogSequenceNumber right) => left.Value >= right.Value;
    public override string ToString() => $"{Cycle}:{Block}";
}
