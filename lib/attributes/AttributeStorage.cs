using System.Buffers;
using System.Numerics;
using ImageFs.Allocation;
using ImageFs.DaBtrees;
using ImageFs.Extents;
using ImageFs.Format;
using ImageFs.Inodes;
using ImageFs.Transactions;

namespace ImageFs.Attributes;

/// <summary>Where a value with blocks of its own lies in the attribute fork.</summary>
/// <param name="Start">First block.</param>
/// <param name="Length">Bytes of the value.</param>
internal readonly record struct RemoteValue(FileBlock Start, uint Length);

/// <summary>The attribute fork of an inode: leaves and nodes go through the cache, values do not.</summary>
internal sealed class AttributeStorage(IAttributeHome home, Inode inode) : ForkStorage(home.Groups, home.Map, inode, ForkKind.Attribute, 1)
{
    /// <summary>File blocks of a da-btree have 32 bits.</summary>
    public const ulong Limit = 1UL << 32;

    public IAttributeHome Home => home;
    public new Inode Inode => base.Inode;

    /// <summary>Where a block of the fork lies on the device.</summary>
    public bool TryBlock(FileBlock at, out long device)
    {
        bool mapped = Map.TryFind(Inode, ForkKind.Attribute, at, out Extent extent) && extent.Offset <= at;
        device = mapped ? Geometry.ByteOffset(extent.Start + (at - extent.Offset)) : 0;
        return mapped;
    }

    /// <summary>
    /// Writes a value into new blocks. They are not logged: the bytes are on the device before the transaction that maps
    /// them, and free for everybody until then.
    /// </summary>
    public RemoteValue AddValue(Transaction tx, ReadOnlySpan<byte> value)
    {
        uint blocks = AttributeFormat.RemoteBlocks((uint)value.Length, Geometry.BlockSize);
        RemoteValue remote = new(FindHole(blocks), (uint)value.Length);
        FileBlock at = remote.Start, end = at + blocks;
        int written = 0;
        while (at < end)
        {
            FsBlock start = SpaceAllocator.Allocate(tx, Groups, Goal(), 1, (uint)(end - at), metadata: false, out uint length);
            WriteBlocks(start, length, value, ref written);
            Map.Map(tx, Inode, ForkKind.Attribute, new Extent(at, start, length, Unwritten: false));
            at += length;
        }
        home.NoteData();
        return remote;
    }

    private void WriteBlocks(FsBlock start, uint length, ReadOnlySpan<byte> value, ref int written)
    {
        int blockSize = Geometry.BlockSize, bytes = (int)length * blockSize;
        long device = Geometry.ByteOffset(start);
        byte[] rented = ArrayPool<byte>.Shared.Rent(bytes);
        Span<byte> run = rented.AsSpan(0, bytes);
        run.Clear();
        for (int at = 0; at < bytes; at += blockSize)
        {
            Span<byte> block = run.Slice(at, blockSize);
            int piece = Math.Min(value.Length - written, blockSize - RemoteHeader.Size);
            ref RemoteHeader header = ref RemoteHeader.At(block);
            header.Magic = DirectoryMagic.AttrRemote;
            header.Offset = (uint)written;
            header.Bytes = (uint)piece;
            header.Uuid = Geometry.MetaUuid;
            header.Owner = Number.Value;
            header.BlockNumber = Geometry.DiskAddress(device + at);
            // No log record ever describes the block.
            header.Lsn = ulong.MaxValue;
            value.Slice(written, piece).CopyTo(block[RemoteHeader.Size..]);
            Crc32c.Stamp(block, RemoteHeader.CrcOffset);
            written += piece;
        }
        home.Data.Write(device, run);
        ArrayPool<byte>.Shared.Return(rented);
    }

    /// <summary>Reads a value back.</summary>
    /// <exception cref="CorruptionException">It is too long, not mapped, or its blocks are not what they should be.</exception>
    public byte[] ReadValue(in RemoteValue remote)
    {
        CheckRange(remote);
        byte[] value = new byte[remote.Length];
        byte[] block = ArrayPool<byte>.Shared.Rent(Geometry.BlockSize);
        try
        {
            Span<byte> bytes = block.AsSpan(0, Geometry.BlockSize);
            int have = 0;
            for (FileBlock at = remote.Start; have < value.Length; at += 1)
            {
                if (Geometry.IsVersion4)
                {
                    // Blocks without a header.
                    if (!TryBlock(at, out long device)) throw Corrupt($"its value is not mapped at block {at}");
                    int plain = Math.Min(value.Length - have, bytes.Length);
                    home.Data.Read(device, value.AsSpan(have, plain));
                    have += plain;
                    continue;
                }
                if (!TryReadValueBlock(at, bytes, out Fault? fault)) throw Corrupt($"its value is not mapped at block {at}");
                if (fault is Fault found) throw Corrupt($"block {at} of a value: {found}", found.IsChecksum ? Errno.EBADMSG : Errno.EUCLEAN);
                ref readonly RemoteHeader header = ref RemoteHeader.At((ReadOnlySpan<byte>)bytes);
                int piece = Math.Min(value.Length - have, bytes.Length - RemoteHeader.Size);
                if (header.Owner != Number.Value || header.Offset != (uint)have || header.Bytes != (uint)piece)
                    throw Corrupt($"block {at} of a value has owner {header.Owner}, offset {header.Offset} and {header.Bytes} bytes, expected {Number}, {have} and {piece}");
                bytes.Slice(RemoteHeader.Size, piece).CopyTo(value.AsSpan(have));
                have += piece;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
        return value;
    }

    private bool TryReadValueBlock(FileBlock at, Span<byte> bytes, out Fault? fault)
    {
        fault = null;
        if (!TryBlock(at, out long device)) return false;
        home.Data.Read(device, bytes);
        fault = BlockVerifier.Verify(BlockKind.AttrRemote, bytes, Geometry, device);
        return true;
    }

    /// <summary>Frees the blocks of a value.</summary>
    public void RemoveValue(Transaction tx, in RemoteValue remote)
    {
        CheckRange(remote);
        FileBlock end = remote.Start + AttributeFormat.RemoteBlocks(remote.Length, Geometry.BlockSize);
        while (Map.TryUnmap(tx, Inode, ForkKind.Attribute, remote.Start, end, out Extent removed))
            Groups.Of(removed.Start).FreeSpace.Free(tx, Geometry.BlockInAg(removed.Start), removed.Length);
    }

    /// <summary>
    /// Frees what a value that was being made or removed when the power went still has. Part of its range may have been given
    /// to a block of the tree or to another value since.
    /// </summary>
    /// <param name="others">Values that are whole.</param>
    public void RemoveLeftovers(Transaction tx, in RemoteValue remote, List<RemoteValue> others)
    {
        if (remote.Start.Value == 0 || remote.Length > AttributeFormat.MaxValue) return;
        uint blocks = AttributeFormat.RemoteBlocks(remote.Length, Geometry.BlockSize);
        byte[] bytes = new byte[Geometry.BlockSize];
        for (uint i = 0; i < blocks; i++)
        {
            FileBlock at = remote.Start + i;
            if (others.Exists(o => at >= o.Start && at < o.Start + AttributeFormat.RemoteBlocks(o.Length, Geometry.BlockSize))) continue;
            if (!TryReadValueBlock(at, bytes, out Fault? fault) || fault is not null) continue;
            if (RemoteHeader.At((ReadOnlySpan<byte>)bytes).Owner != Number.Value) continue;
            Map.TryUnmap(tx, Inode, ForkKind.Attribute, at, at + 1, out Extent removed);
            Groups.Of(removed.Start).FreeSpace.Free(tx, Geometry.BlockInAg(removed.Start), removed.Length);
        }
    }

    private void CheckRange(in RemoteValue remote)
    {
        if (remote.Length > AttributeFormat.MaxValue) throw Corrupt($"a value of {remote.Length} bytes, at most {AttributeFormat.MaxValue} possible");
        if (remote.Start.Value == 0) throw Corrupt("a value in block 0, which is the root of the attributes");
    }

    /// <summary>The first file block from which on so many are free.</summary>
    private FileBlock FindHole(uint blocks)
    {
        FileBlock at = default;
        Map.Walk(Inode, ForkKind.Attribute, at, extent =>
        {
            if (extent.Offset >= at + blocks) return false;
            at = extent.End;
            return true;
        });
        if (at.Value + blocks > Limit) throw new XfsNoSpaceException($"inode {Number}: its attributes would need more than {Limit} blocks");
        return at;
    }

    /// <summary>A contradiction in the attributes of this inode.</summary>
    public CorruptionException Corrupt(string problem, int errno = Errno.EUCLEAN) => new("attributes", $"inode {Number}", problem, errno);
}
