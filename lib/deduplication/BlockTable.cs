using System.Numerics;

namespace ImageFs.Deduplication;

/// <summary>The first block seen of every content, found by hash. Never larger than it was allowed to be.</summary>
internal sealed class BlockTable
{
    /// <summary>A block of a file.</summary>
    /// <param name="Hash">Of its bytes.</param>
    /// <param name="Offset">Bytes from the start of the file.</param>
    /// <param name="Physical">Byte of the device.</param>
    /// <param name="File">Index of the file, from 0.</param>
    public readonly record struct Block(ulong Hash, long Offset, long Physical, int File);

    // Physical addresses are never 0: the superblock is there. So a slot of zeros is an empty one.
    private Block[] _slots;
    private readonly int _most;

    /// <param name="blocks">How many will come at most; more than this, or than fit, are not remembered.</param>
    /// <param name="memory">Bytes.</param>
    public BlockTable(long blocks, long memory)
    {
        _most = SlotsWithin(memory);
        _slots = new Block[Math.Min(_most, (int)Math.Clamp((long)BitOperations.RoundUpToPowerOf2((ulong)blocks * 3 / 2), 64, 1 << 16))];
    }

    /// <summary>Blocks remembered.</summary>
    public int Count { get; private set; }

    /// <summary>How many blocks fit in an amount of memory, including while the table grows.</summary>
    public static long Capacity(long memory) => SlotsWithin(memory) / 4 * 3L;

    private static int SlotsWithin(long memory)
    {
        ulong slots = (ulong)Math.Clamp(memory / 48, 1024, 1 << 26);
        return 1 << BitOperations.Log2(slots);
    }

    public bool TryFind(ulong hash, out Block block)
    {
        block = _slots[SlotOf(_slots, hash)];
        return block.Physical != 0;
    }

    /// <summary>Remembers a block whose content was not seen before, if there is room.</summary>
    public void Add(in Block block)
    {
        if (Count >= _slots.Length / 4 * 3)
        {
            if (_slots.Length >= _most) return;
            Block[] wider = new Block[_slots.Length * 2];
            foreach (Block old in _slots)
                if (old.Physical != 0) wider[SlotOf(wider, old.Hash)] = old;
            _slots = wider;
        }
        ref Block slot = ref _slots[SlotOf(_slots, block.Hash)];
        if (slot.Physical == 0) Count++;
        slot = block;
    }

    private static int SlotOf(Block[] slots, ulong hash)
    {
        int mask = slots.Length - 1, slot = (int)(uint)hash & mask;
        while (slots[slot].Physical != 0 && slots[slot].Hash != hash) slot = (slot + 1) & mask;
        return slot;
    }
}
