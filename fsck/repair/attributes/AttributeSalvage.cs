using System.Buffers.Binary;
using System.Runtime.InteropServices;
using ImageFs.Attributes;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>An attribute that was found in a damaged fork.</summary>
internal readonly record struct SalvagedAttribute(AttributeFlags Space, byte[] Name, byte[] Value)
{
    public AttributeKey Key => Space == AttributeFlags.Parent ? new AttributeKey(Name, Value) : new AttributeKey(Space, Name);
}

/// <summary>What is left of the attributes of an inode.</summary>
internal sealed record SalvagedAttributes(ulong Inode, List<SalvagedAttribute> All)
{
    /// <summary>Memory it takes.</summary>
    public long Bytes => All.Sum(a => 160L + a.Name.Length + a.Value.Length);
}

/// <summary>Reads attributes leaf by leaf, without the tree above them: any block of the fork that is a leaf of this inode counts.</summary>
internal sealed class AttributeSalvage(RepairView view, ForkScan forks)
{
    private readonly Geometry _g = view.Geometry;

    public SalvagedAttributes Collect(ulong number)
    {
        byte[] inode = view.Read(view.OffsetOf(new InodeNumber(number)), _g.InodeSize);
        ref readonly InodeCore core = ref InodeCore.At((ReadOnlySpan<byte>)inode);
        List<SalvagedAttribute> found = [];
        HashSet<string> known = [];
        if (core.ForkOffset == 0) return new SalvagedAttributes(number, found);
        if (core.AttributeFormat == ForkFormat.Local) ReadShort(inode.AsSpan(InodeCore.Size + core.DataForkSize(_g.InodeSize)), Take);
        else
        {
            forks.Walk(inode, number, attribute: true, keep: true, claim: false);
            for (int e = 0; e < forks.Map.Count; e++)
                for (uint b = 0; b < forks.Map[e].Length; b++)
                    if (TryRead(forks.Map[e].Start + b) is byte[] block && IsLeaf(block, number)) ReadLeaf(block, number, Take);
        }
        return new SalvagedAttributes(number, found);

        void Take(AttributeFlags flags, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
        {
            AttributeFlags space = flags & AttributeFlags.Namespaces;
            if (name.Length == 0 || name.Contains((byte)0) || value.Length > AttributeFormat.MaxValue) return;
            if (space is not (AttributeFlags.User or AttributeFlags.Root or AttributeFlags.Secure or AttributeFlags.Parent)) return;
            if (space == AttributeFlags.Parent && !IsPointer(name, value)) return;
            if (space == AttributeFlags.Root && (name.SequenceEqual(AttributeFormat.AccessAcl) || name.SequenceEqual(AttributeFormat.DefaultAcl)) && !IsAcl(value)) return;
            // One name may stand in many directories.
            string which = space == AttributeFlags.Parent ? Convert.ToHexString(value) : "";
            if (known.Add($"{(byte)space}{which}{System.Text.Encoding.Latin1.GetString(name)}")) found.Add(new SalvagedAttribute(space, name.ToArray(), value.ToArray()));
        }
    }

    private delegate void AttributeTaker(AttributeFlags flags, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value);

    private bool IsPointer(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value) =>
        _g.HasParentPointers && value.Length == ParentPointer.Size && DirectoryName.IsLegal(name) && _g.IsValid(new InodeNumber(ParentPointer.At(value).Inode));

    private static bool IsAcl(ReadOnlySpan<byte> value)
    {
        if (value.Length < 4 || value.Length != 4 + 12L * BinaryPrimitives.ReadUInt32BigEndian(value)) return false;
        for (int at = 4; at < value.Length; at += 12)
            if (BinaryPrimitives.ReadUInt32BigEndian(value[at..]) is not (1 or 2 or 4 or 8 or 16 or 32)) return false;
        return true;
    }

    private static void ReadShort(ReadOnlySpan<byte> fork, AttributeTaker take)
    {
        if (fork.Length < AttributeFormat.ShortHeader) return;
        int position = AttributeFormat.ShortHeader;
        for (int i = 0; i < fork[2] && position + 3 <= fork.Length; i++)
        {
            int name = fork[position], value = fork[position + 1], size = AttributeFormat.ShortEntry(name, value);
            if (position + size > fork.Length) return;
            if (name > 0) take((AttributeFlags)fork[position + 2] & ~(AttributeFlags.Local | AttributeFlags.Incomplete), fork.Slice(position + 3, name), fork.Slice(position + 3 + name, value));
            position += size;
        }
    }

    private byte[]? TryRead(FsBlock block)
    {
        try
        {
            return view.Read(_g.ByteOffset(block), _g.BlockSize);
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Two of three marks are enough: one of them may be what is damaged.</summary>
    private bool IsLeaf(ReadOnlySpan<byte> block, ulong number)
    {
        ref readonly DaBlockHeader header = ref DaBlockHeader.At(block);
        bool magic = header.Magic == DirectoryMagic.AttrLeaf, owner = header.Owner == number, uuid = header.Uuid == _g.MetaUuid;
        if (header.Magic == DirectoryMagic.Node || BinaryPrimitives.ReadUInt32BigEndian(block) == DirectoryMagic.AttrRemote) return false;
        return (magic ? 1 : 0) + (owner ? 1 : 0) + (uuid ? 1 : 0) >= 2;
    }

    private void ReadLeaf(ReadOnlySpan<byte> leaf, ulong number, AttributeTaker take)
    {
        int room = (leaf.Length - AttributeLeafHeader.Size) / AttributeLeafEntry.Size;
        int count = Math.Min(AttributeLeafHeader.At(leaf).Count, room);
        ReadOnlySpan<AttributeLeafEntry> entries = MemoryMarshal.Cast<byte, AttributeLeafEntry>(leaf.Slice(AttributeLeafHeader.Size, room * AttributeLeafEntry.Size));
        for (int i = 0; i < room; i++)
        {
            AttributeLeafEntry entry = entries[i];
            int at = entry.NameIndex;
            // The count may be what is damaged: an entry whose name has the hash it says is one, counted or not.
            if (at < AttributeLeafHeader.Size + (i + 1) * AttributeLeafEntry.Size || at + 9 > leaf.Length) { if (i >= count) return; continue; }
            int name = entry.IsLocal ? leaf[at + 2] : leaf[at + 8], start = at + (entry.IsLocal ? 3 : 9);
            if (name == 0 || start + name > leaf.Length || entry.IsIncomplete || !HasHash(leaf, entry, start, name))
            {
                if (i >= count) return;
                if (name == 0 || start + name > leaf.Length || entry.IsIncomplete) continue;
            }
            if (entry.IsLocal)
            {
                int value = BinaryPrimitives.ReadUInt16BigEndian(leaf[at..]);
                if (start + name + value <= leaf.Length) take(entry.Flags, leaf.Slice(start, name), leaf.Slice(start + name, value));
            }
            else if (ReadValue(BinaryPrimitives.ReadUInt32BigEndian(leaf[at..]), BinaryPrimitives.ReadUInt32BigEndian(leaf[(at + 4)..]), number) is byte[] remote)
                take(entry.Flags, leaf.Slice(start, name), remote);
        }
    }

    private static bool HasHash(ReadOnlySpan<byte> leaf, in AttributeLeafEntry entry, int start, int name)
    {
        int value = entry.IsLocal ? BinaryPrimitives.ReadUInt16BigEndian(leaf[entry.NameIndex.Value..]) : 0;
        return AttributeKey.HashOf(entry.Flags, leaf.Slice(start, name), start + name + value <= leaf.Length ? leaf.Slice(start + name, value) : []) == entry.Hash;
    }

    /// <summary>A value in blocks of its own; null if one of them is lost.</summary>
    private byte[]? ReadValue(uint fileBlock, uint length, ulong number)
    {
        if (length > AttributeFormat.MaxValue) return null;
        byte[] value = new byte[length];
        for (int done = 0; done < value.Length; fileBlock++)
        {
            if (!forks.TryMap(fileBlock, out FsBlock at, out _) || TryRead(at) is not byte[] block) return null;
            ref readonly RemoteHeader header = ref RemoteHeader.At(block);
            bool magic = header.Magic == DirectoryMagic.AttrRemote, owner = header.Owner == number, uuid = header.Uuid == _g.MetaUuid, offset = header.Offset == (uint)done;
            if ((magic ? 1 : 0) + (owner ? 1 : 0) + (uuid ? 1 : 0) + (offset ? 1 : 0) < 3) return null;
            int bytes = Math.Min(value.Length - done, _g.BlockSize - RemoteHeader.Size);
            block.AsSpan(RemoteHeader.Size, bytes).CopyTo(value.AsSpan(done));
            done += bytes;
        }
        return value;
    }
}
