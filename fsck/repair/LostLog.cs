using System.Buffers.Binary;
using System.Globalization;
using ImageFs.Format;
using ImageFs.Journal;

namespace ImageFs.Fsck;

/// <summary>Says what is lost with a part of the log: as far as records can still be read, their transactions and the inodes these change.</summary>
internal static class LostLog
{
    private const int MostInodes = 100;

    public static string Describe(LogState state)
    {
        if (state.Remains is not LogRemains remains) return $"{state.Problem}; no record of it is whole";
        SortedSet<ulong> inodes = [];
        foreach (LogItem item in remains.Behind.SelectMany(t => t.Items))
            if (InodeOf(item) is ulong number) inodes.Add(number);
        string whole = remains.Whole.IsClean ? "nothing before it was still to be replayed" : $"what was committed before log block {remains.Whole.Head} was replayed";
        string behind = remains.Behind.Count == 0 ? "no transaction behind it can be read"
            : $"{remains.Behind.Count} transaction{(remains.Behind.Count == 1 ? "" : "s")} behind it {(remains.Behind.Count == 1 ? "is" : "are")} lost";
        string changed = inodes.Count == 0 ? "" : $", with changes of inode{(inodes.Count == 1 ? "" : "s")} {string.Join(", ", inodes.Take(MostInodes).Select(n => n.ToString(CultureInfo.InvariantCulture)))}";
        string more = inodes.Count > MostInodes ? $" and {inodes.Count - MostInodes} more" : "";
        return $"{state.Problem}; {whole}; {behind}{changed}{more}";
    }

    /// <summary>The inode an item changes; null if it is no inode item.</summary>
    private static ulong? InodeOf(LogItem item)
    {
        // 16: where the number stands in an inode item; machines of 32 bits pack theirs to 52 bytes and write it at 12.
        if (item.Type == LogItemType.Inode && item.Format.Length >= 52) return BinaryPrimitives.ReadUInt64LittleEndian(item.Format[(item.Format.Length >= LogInodeItem.Size ? 16 : 12)..]);
        return null;
    }
}
