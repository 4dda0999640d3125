namespace ImageFs.Tests.Simulation;

/// <summary>
/// Decides whether a tree found after a power cut is one the promises allow. Operations become durable in their order, so it must
/// be the tree after some number of operations, at least as many as were flushed. Four things may differ:
/// a block its owner overwrote in place may hold later bytes, sector by sector (or word by word, if the cut tears sectors); and of the first operation that is not
/// there, if it is one that runs in several transactions, a part may be; and what was written to shared blocks of an open file
/// and not flushed may be missing, although later operations are there.
/// </summary>
/// <param name="model">The history.</param>
/// <param name="flushed">Operations that a flush promised.</param>
/// <param name="begun">Operations that had begun when the power went.</param>
/// <param name="gradual">The path an operation (from 1) changes in several steps, or null if it happens at once.</param>
/// <param name="torn">Sectors may be torn.</param>
internal sealed class ModelMatch(Model model, int flushed, int begun, Func<int, string?> gradual, bool torn = false)
{
    private const int Sector = SimulatedDevice.Sector, Word = (int)Grain.Word;

    /// <summary>The number of operations the tree contains; -1 and the reasons if no number fits.</summary>
    /// <param name="isExact">False if a part of the next operation is there as well.</param>
    public int Find(IReadOnlyDictionary<string, ObservedEntry> found, out bool isExact, out string reasons)
    {
        List<string> why = [];
        isExact = true;
        reasons = "";
        // From the end: several numbers can fit, and the largest one says most about what is there.
        for (int n = begun; n >= flushed; n--)
        {
            string? difference = Compare(found, n, partial: false);
            if (difference is null)
                return n;
            why.Add($"  after {n} operations: {difference}");
        }
        isExact = false;
        for (int n = begun - 1; n >= flushed; n--)
            if (gradual(n + 1) is not null && Compare(found, n, partial: true) is null)
                return n;
        why.Reverse();
        reasons = string.Join(Environment.NewLine, why.Count <= 12 ? why : [.. why.Take(6), "  ...", .. why.TakeLast(6)]);
        return -1;
    }

    private string? Compare(IReadOnlyDictionary<string, ObservedEntry> found, int operations, bool partial)
    {
        ModelState state = model.After(operations);
        int next = -1;
        if (partial && gradual(operations + 1) is string path && state.TryFind(path, out int target))
            next = target;
        int count = 0;
        foreach ((string name, int inode) in state.Paths())
        {
            count++;
            if (!found.TryGetValue(name, out ObservedEntry? entry))
                return $"'{name}' is missing";
            ModelNode node = state.Nodes[inode];
            if (entry.Kind != node.Kind)
                return $"'{name}' is of kind {entry.Kind}, not {node.Kind}";
            if (entry.Mode != node.Mode)
                return $"'{name}' has mode {Convert.ToString(entry.Mode, 8)}, not {Convert.ToString(node.Mode, 8)}";
            if (ObservedEntry.Difference(node.Attributes, entry.Attributes) is string attribute)
                return $"'{name}' {attribute}";
            string? difference = node switch
            {
                ModelFile file => inode == next
                    ? CompareFile(entry, inode, file, operations, (ModelFile)model.After(operations + 1).Nodes[inode])
                    : CompareFile(entry, inode, file, operations, null),
                ModelSymlink link => entry.Target == link.Target ? null : $"points to '{entry.Target}', not '{link.Target}'",
                ModelDevice device => entry.Target == device.Numbers ? null : $"is device {entry.Target}, not {device.Numbers}",
                _ => null,
            };
            if (difference is null && node is not ModelDirectory && entry.Links != state.LinksOf(inode))
                difference = $"has {entry.Links} links, not {state.LinksOf(inode)}";
            if (difference is not null)
                return $"'{name}' {difference}";
        }
        return count == found.Count ? null : $"'{found.Keys.First(key => !state.TryFind(key, out _))}' should not be there";
    }

    private string? CompareFile(ObservedEntry entry, int inode, ModelFile file, int operations, ModelFile? next)
    {
        if (next is null ? entry.Size != file.Size : entry.Size < Math.Min(file.Size, next.Size) || entry.Size > Math.Max(file.Size, next.Size))
            return $"has {entry.Size} bytes, not {file.Size}{(next is null ? "" : $"...{next.Size}")}";
        ReadOnlySpan<byte> content = entry.Content;
        for (long at = 0; at < content.Length;)
        {
            long index = at / model.BlockSize;
            int inside = (int)(at % model.BlockSize), length = (int)Math.Min(Sector, content.Length - at);
            ReadOnlySpan<byte> piece = content.Slice((int)at, length);
            if (!IsPossible(piece, inside))
            {
                for (int word = 0; torn && word < length; word += Word)
                    if (!IsPossible(piece.Slice(word, Math.Min(Word, length - word)), inside + word)) return Wrong();
                if (!torn) return Wrong();
            }
            at += length;

            bool IsPossible(ReadOnlySpan<byte> part, int where) =>
                Allows(file, index, part, where, inode, operations) || (next is not null && Allows(next, index, part, where, inode, operations + 1));
            string Wrong() => $"has at byte {at} {Explain(entry.Content.AsSpan((int)at, length))}, not {Expected(file, index, inside, length, operations)}";
        }
        return null;
    }

    private bool Allows(ModelFile file, long index, ReadOnlySpan<byte> piece, int inside, int inode, int operations) =>
        file.Blocks.TryGetValue(index, out ModelBlock? block)
            ? block.Allows(piece, inside, inode, model, operations, begun, flushed)
            : !piece.ContainsAnyExcept((byte)0);

    private static string Expected(ModelFile file, long index, int inside, int length, int operations) =>
        file.Blocks.TryGetValue(index, out ModelBlock? block) ? Explain(block.After(operations).Slice(inside, length)) : "zeros (a hole)";

    private static string Explain(ReadOnlySpan<byte> piece) => piece.ContainsAnyExcept((byte)0) ? Pattern.Describe(piece) : "zeros";
}
