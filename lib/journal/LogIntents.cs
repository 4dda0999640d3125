using ImageFs.Format;

namespace ImageFs.Journal;

/// <summary>
/// Work that was begun and promised: it must be finished after the log has been replayed, unless its done item is in the
/// log too.
/// </summary>
/// <param name="Type">Which kind of intent.</param>
/// <param name="Id">What its done item refers to; a number without meaning of its own.</param>
/// <param name="Lsn">The START of the transaction that promised it.</param>
public abstract record PendingIntent(LogItemType Type, ulong Id, LogSequenceNumber Lsn)
{
    /// <summary>The name of the item as xfs_logprint users know it.</summary>
    public string Name => LogIntents.Name(Type);
}

/// <summary>Extents to give back.</summary>
/// <remarks>EFI.</remarks>
public sealed record ExtentFreeIntent(LogItemType Type, ulong Id, LogSequenceNumber Lsn, IReadOnlyList<IntentExtent> Extents)
    : PendingIntent(Type, Id, Lsn);

/// <summary>Changes of the reverse map.</summary>
/// <remarks>RUI.</remarks>
public sealed record RmapIntent(LogItemType Type, ulong Id, LogSequenceNumber Lsn, IReadOnlyList<IntentMapping> Mappings)
    : PendingIntent(Type, Id, Lsn);

/// <summary>Changes of reference counts.</summary>
/// <remarks>CUI.</remarks>
public sealed record RefcountIntent(LogItemType Type, ulong Id, LogSequenceNumber Lsn, IReadOnlyList<IntentExtent> Extents)
    : PendingIntent(Type, Id, Lsn);

/// <summary>A change of a file's mapping.</summary>
/// <remarks>BUI; always one mapping.</remarks>
public sealed record BmapIntent(LogItemType Type, ulong Id, LogSequenceNumber Lsn, IReadOnlyList<IntentMapping> Mappings)
    : PendingIntent(Type, Id, Lsn);

/// <summary>A change of an extended attribute.</summary>
/// <remarks>ATTRI.</remarks>
/// <param name="Generation">di_gen of the inode, 0 for any.</param>
/// <param name="Operation">1 set, 2 remove, 3 replace; 4, 5, 6 the same for parent pointers.</param>
/// <param name="Filter">Namespace bits of the attribute.</param>
/// <param name="NewName">Only where a parent pointer is replaced.</param>
/// <param name="NewValue">Only where a parent pointer is replaced.</param>
public sealed record AttrIntent(LogItemType Type, ulong Id, LogSequenceNumber Lsn, uint Generation, InodeNumber Inode, uint Operation,
    uint Filter, byte[] AttributeName, byte[] NewName, byte[] Value, byte[] NewValue) : PendingIntent(Type, Id, Lsn);

/// <summary>Two files' mappings to exchange, from the offsets on that are left.</summary>
/// <remarks>XMI.</remarks>
/// <param name="Size1">Size of the first file afterwards, <see cref="NoSize"/> if unset.</param>
/// <param name="Size2">Size of the second file afterwards, likewise.</param>
public sealed record ExchangeIntent(LogItemType Type, ulong Id, LogSequenceNumber Lsn, InodeNumber Inode1, InodeNumber Inode2,
    uint Generation1, uint Generation2, FileBlock Start1, FileBlock Start2, ulong Blocks, ulong Flags, ulong Size1, ulong Size2)
    : PendingIntent(Type, Id, Lsn)
{
    // Bits of the flags.
    internal const ulong Attributes = 1, SetsSizes = 2, WrittenOnly = 4, EndsSharing1 = 8, EndsSharing2 = 16;

    /// <summary>Stands for a size that does not change.</summary>
    public const ulong NoSize = ulong.MaxValue;
}

/// <summary>A run of blocks in an intent; the flags of a CUI say what to do with it.</summary>
/// <param name="Start">First block.</param>
/// <param name="Length">Blocks.</param>
/// <param name="Flags">CUI: 1 increase, 2 decrease, 3 allocate CoW, 4 free CoW. EFI: 0.</param>
public readonly record struct IntentExtent(FsBlock Start, uint Length, uint Flags);

/// <summary>A mapping in an RUI or BUI.</summary>
/// <param name="Owner">Inode, or a special owner in an RUI.</param>
/// <param name="Start">First block of the device.</param>
/// <param name="Offset">First block of the file.</param>
/// <param name="Length">Blocks.</param>
/// <param name="Flags">What to do in the low byte; attribute fork in bit 31, bmbt block or unwritten in bit 30, unwritten in bit 29 of an RUI.</param>
public readonly record struct IntentMapping(ulong Owner, FsBlock Start, FileBlock Offset, uint Length, uint Flags);

/// <summary>Keeps the intents whose done items have not been seen, oldest first.</summary>
internal sealed class LogIntents
{
    // Layouts of the formats in bytes: every number is little-endian.
    private const int HeadSize = 16, IdAt = 8, CountAt = 4, ExtentSize = 16, PackedExtentSize = 12, MappingSize = 32;
    private const int AttrSize = 40;
    internal const int ExchangeSize = 88;

    private readonly LinkedList<PendingIntent> _pending = [];
    private readonly Dictionary<(LogItemType, ulong), LinkedListNode<PendingIntent>> _byId = [];

    /// <summary>The intents without a done item, in the order of the log.</summary>
    public IReadOnlyList<PendingIntent> Pending => [.. _pending];

    /// <summary>The short name of an intent or done item.</summary>
    public static string Name(LogItemType type) => type switch
    {
        LogItemType.ExtentFreeIntent => "EFI", LogItemType.ExtentFreeDone => "EFD", LogItemType.RmapIntent => "RUI", LogItemType.RmapDone => "RUD",
        LogItemType.RefcountIntent => "CUI", LogItemType.RefcountDone => "CUD", LogItemType.BmapIntent => "BUI", LogItemType.BmapDone => "BUD",
        LogItemType.AttrIntent => "ATTRI", LogItemType.AttrDone => "ATTRD", LogItemType.ExchangeIntent => "XMI", LogItemType.ExchangeDone => "XMD",
        LogItemType.ExtentFreeIntentRt => "EFI_RT", LogItemType.ExtentFreeDoneRt => "EFD_RT", LogItemType.RmapIntentRt => "RUI_RT",
        LogItemType.RmapDoneRt => "RUD_RT", LogItemType.RefcountIntentRt => "CUI_RT", LogItemType.RefcountDoneRt => "CUD_RT",
        _ => type.ToString(),
    };

    /// <summary>Takes an intent or done item; false if the item is neither.</summary>
    public bool TryTake(LogItem item, LogSequenceNumber lsn)
    {
        switch (item.Type)
        {
            case LogItemType.ExtentFreeIntent or LogItemType.ExtentFreeIntentRt:
                Add(new ExtentFreeIntent(item.Type, Id(item), lsn, Extents(item, flagged: false)));
                return true;
            case LogItemType.RefcountIntent or LogItemType.RefcountIntentRt:
                Add(new RefcountIntent(item.Type, Id(item), lsn, Extents(item, flagged: true)));
                return true;
            case LogItemType.RmapIntent or LogItemType.RmapIntentRt:
                Add(new RmapIntent(item.Type, Id(item), lsn, Mappings(item)));
                return true;
            case LogItemType.BmapIntent:
                Add(new BmapIntent(item.Type, Id(item), lsn, Mappings(item)));
                return true;
            case LogItemType.AttrIntent:
                Add(Attribute(item, lsn));
                return true;
            case LogItemType.ExchangeIntent:
                Add(Exchange(item, lsn));
                return true;
            case LogItemType.ExtentFreeDone or LogItemType.RmapDone or LogItemType.RefcountDone or LogItemType.BmapDone or LogItemType.AttrDone
                or LogItemType.ExchangeDone or LogItemType.ExtentFreeDoneRt or LogItemType.RmapDoneRt or LogItemType.RefcountDoneRt:
                // The type of a done item follows that of its intent. One whose intent lies before the tail is of no interest.
                if (_byId.Remove((item.Type - 1, Id(item)), out LinkedListNode<PendingIntent>? node)) _pending.Remove(node);
                return true;
            default:
                return false;
        }
    }

    private void Add(PendingIntent intent) => _byId[(intent.Type, intent.Id)] = _pending.AddLast(intent);

    private static ulong Id(LogItem item)
    {
        if (item.Format.Length < HeadSize) throw Corrupt(item, $"its format has {item.Format.Length} bytes, at least {HeadSize} are needed");
        return item.Format.U64(IdAt);
    }

    private static int Count(LogItem item, int size)
    {
        uint count = item.Format.U32(CountAt);
        int room = (item.Format.Length - HeadSize) / size;
        return count >= 1 && count <= (uint)room ? (int)count : throw Corrupt(item, $"{count} entries, 1..{room} fit its format");
    }

    private static IntentExtent[] Extents(LogItem item, bool flagged)
    {
        uint claimed = item.Format.U32(CountAt);
        // An EFI of a 32-bit machine has no padding behind the length.
        int size = !flagged && (ulong)item.Format.Length == HeadSize + (ulong)claimed * PackedExtentSize ? PackedExtentSize : ExtentSize;
        IntentExtent[] extents = new IntentExtent[Count(item, size)];
        for (int i = 0, at = HeadSize; i < extents.Length; i++, at += size)
            extents[i] = new(new FsBlock(item.Format.U64(at)), item.Format.U32(at + 8), flagged ? item.Format.U32(at + 12) : 0);
        return extents;
    }

    private static IntentMapping[] Mappings(LogItem item)
    {
        IntentMapping[] mappings = new IntentMapping[Count(item, MappingSize)];
        for (int i = 0, at = HeadSize; i < mappings.Length; i++, at += MappingSize)
            mappings[i] = new(item.Format.U64(at), new FsBlock(item.Format.U64(at + 8)), new FileBlock(item.Format.U64(at + 16)),
                item.Format.U32(at + 24), item.Format.U32(at + 28));
        return mappings;
    }

    private static AttrIntent Attribute(LogItem item, LogSequenceNumber lsn)
    {
        const uint setOperation = 1, replaceOperation = 6;
        ReadOnlySpan<byte> format = item.Format;
        if (format.Length < AttrSize) throw Corrupt(item, $"its format has {format.Length} bytes, expected {AttrSize}");
        uint operation = format.U32(24) & 0xFF;
        if (operation is < setOperation or > replaceOperation) throw Corrupt(item, $"operation {operation}, 1..6 possible");
        bool renames = operation == replaceOperation;
        // Where a name is replaced the lengths of both share the 32 bits that are otherwise the length of one.
        uint name = renames ? format.U16(28) : format.U32(28), newName = renames ? format.U16(30) : 0u;
        uint value = format.U32(32), newValue = renames ? value : 0u;

        int region = 1;
        byte[] Take(uint length)
        {
            if (length == 0) return [];
            ReadOnlySpan<byte> bytes = region < item.RegionCount ? item[region++] : default;
            return length <= (uint)bytes.Length ? bytes[..(int)length].ToArray() : throw Corrupt(item, $"{length} bytes of a name or value, the log holds {bytes.Length}");
        }
        byte[] firstName = Take(name), secondName = Take(newName), firstValue = Take(value), secondValue = Take(newValue);
        if (firstName.Length == 0) throw Corrupt(item, "no name");
        return new AttrIntent(item.Type, Id(item), lsn, format.U32(4), new InodeNumber(format.U64(16)), operation, format.U32(36),
            firstName, secondName, firstValue, secondValue);
    }

    private static ExchangeIntent Exchange(LogItem item, LogSequenceNumber lsn)
    {
        ReadOnlySpan<byte> f = item.Format;
        if (f.Length < ExchangeSize) throw Corrupt(item, $"its format has {f.Length} bytes, expected {ExchangeSize}");
        return new ExchangeIntent(item.Type, Id(item), lsn, new InodeNumber(f.U64(16)), new InodeNumber(f.U64(24)), f.U32(32), f.U32(36),
            new FileBlock(f.U64(40)), new FileBlock(f.U64(48)), f.U64(56), f.U64(64), f.U64(72), f.U64(80));
    }

    private static CorruptionException Corrupt(LogItem item, string problem) => new($"log item {Name(item.Type)}", "the log", problem);
}
