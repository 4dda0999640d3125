using System.Collections.Immutable;

namespace ImageFs.Tests.Simulation;

/// <summary>
/// What the tree must look like, in memory, and what it looked like after every operation. Beside names and bytes it knows
/// which blocks are one and the same, because that decides what a power cut may mix: a write to a block of its own goes
/// straight to the disk, a write to a shared one does not show before its transaction, and if the file stays open, that
/// transaction may wait for a flush, for the file to be closed or for somebody who changes its layout.
/// </summary>
/// <remarks>
/// Always true: a block's versions are in the order of the operations that wrote them; a block with more than one reference
/// gets no further version; bytes behind the end of a file are zeros.
/// </remarks>
internal sealed class Model
{
    private ModelState _now;
    private readonly List<ModelState> _after;
    private readonly Dictionary<int, int> _handles = [];
    // By inode: operations that mapped whatever copy-on-write had written of it.
    private readonly Dictionary<int, List<int>> _settled = [];
    private int _nextInode;

    /// <summary>An empty root directory.</summary>
    public Model(int blockSize)
        : this(blockSize, new ModelState(ImmutableDictionary<int, ModelNode>.Empty.Add(0, ModelDirectory.Empty))) { }

    private Model(int blockSize, ModelState start)
    {
        BlockSize = blockSize;
        _now = start;
        _after = [start];
        _nextInode = start.Nodes.Keys.Max() + 1;
    }

    public int BlockSize { get; }

    /// <summary>Operations so far.</summary>
    public int Operations => _after.Count - 1;

    public ModelState Now => _now;

    /// <summary>The state after the first <paramref name="operations"/> operations.</summary>
    public ModelState After(int operations) => _after[operations];

    /// <summary>
    /// The model of a disk that was found in a certain state after a crash, contents included: what was found is what counts now.
    /// </summary>
    public Model Restart(int operations, IReadOnlyDictionary<string, ObservedEntry> found)
    {
        ModelState then = After(operations);
        Dictionary<ModelBlock, ModelBlock> fresh = [];
        ImmutableDictionary<int, ModelNode> nodes = ImmutableDictionary<int, ModelNode>.Empty.Add(0, then.Nodes[0]);
        // Recovery has freed whatever had no name.
        foreach ((string path, int inode) in then.Paths().DistinctBy(entry => entry.Inode))
        {
            ModelNode node = then.Nodes[inode];
            if (node is ModelFile file)
            {
                byte[] bytes = found[path].Content;
                ImmutableSortedDictionary<long, ModelBlock>.Builder blocks = ImmutableSortedDictionary.CreateBuilder<long, ModelBlock>();
                foreach ((long index, ModelBlock old) in file.Blocks)
                {
                    byte[] content = new byte[BlockSize];
                    long at = index * BlockSize;
                    bytes.AsSpan((int)at, (int)Math.Min(BlockSize, bytes.Length - at)).CopyTo(content);
                    if (!fresh.TryGetValue(old, out ModelBlock? now))
                        fresh[old] = now = new ModelBlock(0, inode, content) { MayBeShared = old.MayBeShared };
                    now.References++;
                    blocks.Add(index, now);
                }
                node = file with { Blocks = blocks.ToImmutable() };
            }
            nodes = nodes.Add(inode, node);
        }
        return new Model(BlockSize, new ModelState(nodes));
    }

    /// <summary>A copy of what is now, to try operations on.</summary>
    public Model Fork()
    {
        Dictionary<ModelBlock, ModelBlock> copies = [];
        ImmutableDictionary<int, ModelNode> nodes = _now.Nodes;
        foreach ((int inode, ModelNode node) in _now.Nodes)
            if (node is ModelFile file)
                nodes = nodes.SetItem(inode, file with { Blocks = file.Blocks.ToImmutableSortedDictionary(b => b.Key, b => Copy(b.Value, inode)) });
        Model fork = new(BlockSize, new ModelState(nodes)) { _nextInode = _nextInode };
        foreach ((int handle, int inode) in _handles)
            fork._handles.Add(handle, inode);
        return fork;

        ModelBlock Copy(ModelBlock block, int inode)
        {
            if (!copies.TryGetValue(block, out ModelBlock? copy))
                copies[block] = copy = new ModelBlock(0, inode, block.Latest) { References = block.References, MayBeShared = block.MayBeShared };
            return copy;
        }
    }

    /// <summary>Ends an operation, whether or not it changed anything.</summary>
    public void Commit() => _after.Add(_now);

    public int Create(string path, ModelNode node)
    {
        int inode = _nextInode++;
        _now = _now.With(inode, node);
        Link(path, inode);
        return inode;
    }

    public void Link(string path, int inode)
    {
        (int folder, string name) = _now.Parent(path);
        SetEntry(folder, name, inode);
    }

    /// <summary>Inodes somebody has open, by handle: they outlive their names.</summary>
    public IReadOnlyDictionary<int, int> Handles => _handles;

    public void Open(int handle, string path) => _handles.Add(handle, _now.Find(path));

    public void Close(int handle)
    {
        _handles.Remove(handle, out int inode);
        if (!_handles.ContainsValue(inode)) Settle(inode);
        FreeIfGone(inode);
    }

    /// <summary>The operation under way maps what copy-on-write has written of a file.</summary>
    private void Settle(int inode)
    {
        if (!_settled.TryGetValue(inode, out List<int>? operations)) _settled.Add(inode, operations = []);
        operations.Add(Operations + 1);
    }

    /// <summary>True if what a file's owner wrote in one operation is mapped after another, without a flush.</summary>
    public bool IsSettled(int inode, int written, int operations) =>
        _settled.TryGetValue(inode, out List<int>? at) && at.Exists(operation => operation >= written && operation <= operations);

    /// <summary>Takes a name away, and the inode with its last one unless somebody has it open.</summary>
    public void Unlink(string path)
    {
        int inode = _now.Find(path);
        (int folder, string name) = _now.Parent(path);
        ModelDirectory directory = (ModelDirectory)_now.Nodes[folder];
        _now = _now.With(folder, directory with { Entries = directory.Entries.Remove(name) });
        FreeIfGone(inode);
    }

    private void FreeIfGone(int inode)
    {
        if (_now.LinksOf(inode) > 0 || _handles.ContainsValue(inode))
            return;
        if (_now.Nodes[inode] is ModelFile file)
            foreach (ModelBlock block in file.Blocks.Values)
                block.References--;
        _now = _now with { Nodes = _now.Nodes.Remove(inode) };
    }

    /// <summary>Changes what is known of a file besides its contents.</summary>
    public void Change(string path, Func<ModelNode, ModelNode> change)
    {
        int inode = _now.Find(path);
        _now = _now.With(inode, change(_now.Nodes[inode]));
    }

    public void Rename(string from, string to)
    {
        int inode = _now.Find(from);
        if (_now.TryFind(to, out int old))
        {
            if (old == inode)
                return;
            Unlink(to);
        }
        (int folder, string name) = _now.Parent(from);
        ModelDirectory directory = (ModelDirectory)_now.Nodes[folder];
        _now = _now.With(folder, directory with { Entries = directory.Entries.Remove(name) });
        Link(to, inode);
    }

    public void Exchange(string one, string other)
    {
        int first = _now.Find(one), second = _now.Find(other);
        // Both parents are found before either name changes its meaning.
        (int firstFolder, string firstName) = _now.Parent(one);
        (int secondFolder, string secondName) = _now.Parent(other);
        SetEntry(firstFolder, firstName, second);
        SetEntry(secondFolder, secondName, first);
    }

    private void SetEntry(int folder, string name, int inode)
    {
        ModelDirectory directory = (ModelDirectory)_now.Nodes[folder];
        _now = _now.With(folder, directory with { Entries = directory.Entries.SetItem(name, inode) });
    }

    /// <summary>In an atomic group what was there before it is not written in place.</summary>
    public bool InGroup { get; set; }

    /// <param name="moves">To new blocks, whoever owns the old ones: an atomic write.</param>
    public void Write(int inode, long offset, ReadOnlySpan<byte> data, bool moves = false)
    {
        int operation = Operations + 1;
        OwnTail(inode, offset);
        ModelFile file = (ModelFile)_now.Nodes[inode];
        ImmutableSortedDictionary<long, ModelBlock> blocks = file.Blocks;
        long size = Math.Max(file.Size, offset + data.Length);
        while (!data.IsEmpty)
        {
            long index = offset / BlockSize;
            int inside = (int)(offset % BlockSize), piece = Math.Min(data.Length, BlockSize - inside);
            byte[] content = new byte[BlockSize];
            bool there = blocks.TryGetValue(index, out ModelBlock? block);
            if (there)
                block!.Latest.CopyTo(content, 0);
            data[..piece].CopyTo(content.AsSpan(inside));
            if (there && block!.References == 1 && !moves && (!InGroup || block.Born == operation))
                block.Add(operation, inode, content);
            else
            {
                ModelBlock now = new(operation, inode, content) { References = 1 };
                if (there)
                {
                    block!.References--;
                    now.Before = block.Latest;
                    block.MayBeShared = now.MayBeShared = true;
                }
                blocks = blocks.SetItem(index, now);
            }
            data = data[piece..];
            offset += piece;
        }
        _now = _now.With(inode, file with { Blocks = blocks, Size = size });
        if (moves || InGroup || !_handles.ContainsValue(inode)) Settle(inode);
    }

    // Bytes between the old end and what comes behind it are zeroed, which gives a shared last block a copy of its own.
    private void OwnTail(int inode, long reached)
    {
        ModelFile file = (ModelFile)_now.Nodes[inode];
        if (reached <= file.Size || file.Size % BlockSize == 0
            || !file.Blocks.TryGetValue(file.Size / BlockSize, out ModelBlock? last) || last.References == 1)
            return;
        last.References--;
        ModelBlock own = new(Operations + 1, inode, last.Latest) { References = 1 };
        _now = _now.With(inode, file with { Blocks = file.Blocks.SetItem(file.Size / BlockSize, own) });
    }

    public void SetSize(int inode, long size)
    {
        Settle(inode);
        OwnTail(inode, size);
        ModelFile file = (ModelFile)_now.Nodes[inode];
        ImmutableSortedDictionary<long, ModelBlock> blocks = file.Blocks;
        if (size < file.Size)
        {
            foreach ((long index, ModelBlock block) in file.Blocks.Where(b => b.Key * BlockSize >= size))
            {
                block.References--;
                blocks = blocks.Remove(index);
            }
            int kept = (int)(size % BlockSize);
            if (kept > 0 && blocks.TryGetValue(size / BlockSize, out ModelBlock? last))
            {
                // The kept part moves to a block of its own; clearing the tail in place would lose bytes in a crash.
                byte[] content = new byte[BlockSize];
                last.Latest.AsSpan(0, kept).CopyTo(content);
                last.References--;
                blocks = blocks.SetItem(size / BlockSize, new ModelBlock(Operations + 1, inode, content) { References = 1 });
            }
        }
        _now = _now.With(inode, file with { Blocks = blocks, Size = size });
    }

    /// <summary>Makes a range of a file be the blocks of another range; offsets are whole blocks, the end may be that of the source.</summary>
    public void Share(int from, long fromOffset, int to, long toOffset, long length, bool grow)
    {
        Settle(from);
        Settle(to);
        OwnTail(to, toOffset);
        ModelFile source = (ModelFile)_now.Nodes[from], target = (ModelFile)_now.Nodes[to];
        ImmutableSortedDictionary<long, ModelBlock> blocks = target.Blocks;
        long count = (length + BlockSize - 1) / BlockSize;
        for (long i = 0; i < count; i++)
        {
            long at = toOffset / BlockSize + i;
            bool has = source.Blocks.TryGetValue(fromOffset / BlockSize + i, out ModelBlock? shared);
            if (has)
                shared!.References++;
            if (blocks.TryGetValue(at, out ModelBlock? old))
                old.References--;
            blocks = has ? blocks.SetItem(at, shared!) : blocks.Remove(at);
        }
        long size = grow ? Math.Max(target.Size, toOffset + length) : target.Size;
        _now = _now.With(to, target with { Blocks = blocks, Size = size });
    }

    /// <summary>Makes a range read as zeros: whole blocks are gone, parts of others are overwritten.</summary>
    public void Punch(int inode, long offset, long length)
    {
        Settle(inode);
        long end = offset + length, first = (offset + BlockSize - 1) / BlockSize, behind = end / BlockSize;
        ModelFile file = (ModelFile)_now.Nodes[inode];
        _now = _now.With(inode, file with { Blocks = Without(file.Blocks, first, behind) });
        end = Math.Min(end, file.Size);
        if (first > behind)
            Zero(offset, end);
        else
        {
            Zero(offset, Math.Min(end, first * BlockSize));
            Zero(behind * BlockSize, end);
        }

        // Within one block, which is a hole already or gets zeros like any other data.
        void Zero(long from, long to)
        {
            if (from < to && ((ModelFile)_now.Nodes[inode]).Blocks.ContainsKey(from / BlockSize))
                Write(inode, from, new byte[to - from]);
        }
    }

    /// <summary>Blocks that a range shares get copies of their own.</summary>
    public void Unshare(int inode, long offset, long length)
    {
        Settle(inode);
        ModelFile file = (ModelFile)_now.Nodes[inode];
        ImmutableSortedDictionary<long, ModelBlock> blocks = file.Blocks;
        foreach ((long index, ModelBlock block) in file.Blocks)
        {
            if (block.References == 1 || (index + 1) * BlockSize <= offset || index * BlockSize >= Math.Min(offset + length, file.Size))
                continue;
            block.References--;
            blocks = blocks.SetItem(index, new ModelBlock(Operations + 1, inode, block.Latest) { References = 1 });
        }
        _now = _now.With(inode, file with { Blocks = blocks });
    }

    /// <summary>Puts a hole of whole blocks into a file.</summary>
    public void Insert(int inode, long offset, long length)
    {
        Settle(inode);
        ModelFile file = (ModelFile)_now.Nodes[inode];
        _now = _now.With(inode, new ModelFile(file.Size + length, Moved(file.Blocks, offset / BlockSize, length / BlockSize)));
    }

    /// <summary>Takes whole blocks out of a file.</summary>
    public void Collapse(int inode, long offset, long length)
    {
        Settle(inode);
        ModelFile file = (ModelFile)_now.Nodes[inode];
        ImmutableSortedDictionary<long, ModelBlock> blocks = Without(file.Blocks, offset / BlockSize, (offset + length) / BlockSize);
        _now = _now.With(inode, new ModelFile(file.Size - length, Moved(blocks, (offset + length) / BlockSize, -length / BlockSize)));
    }

    private static ImmutableSortedDictionary<long, ModelBlock> Without(ImmutableSortedDictionary<long, ModelBlock> blocks, long first, long behind)
    {
        foreach ((long index, ModelBlock block) in blocks.Where(b => b.Key >= first && b.Key < behind).ToArray())
        {
            block.References--;
            blocks = blocks.Remove(index);
        }
        return blocks;
    }

    private static ImmutableSortedDictionary<long, ModelBlock> Moved(ImmutableSortedDictionary<long, ModelBlock> blocks, long from, long by) =>
        blocks.Select(b => b.Key < from ? b : KeyValuePair.Create(b.Key + by, b.Value)).ToImmutableSortedDictionary();

    /// <summary>Lets two ranges of whole blocks change places; without a length all there is, sizes included.</summary>
    public void ExchangeRange(int one, long oneOffset, int other, long otherOffset, long? length)
    {
        Settle(one);
        Settle(other);
        ModelFile first = (ModelFile)_now.Nodes[one], second = (ModelFile)_now.Nodes[other];
        long bytes = length ?? Math.Max(first.Size - oneOffset, second.Size - otherOffset);
        long count = (bytes + BlockSize - 1) / BlockSize, from = oneOffset / BlockSize, to = otherOffset / BlockSize;
        void Place(int inode, ImmutableSortedDictionary<long, ModelBlock> from, long start, long to)
        {
            ModelFile file = (ModelFile)_now.Nodes[inode];
            ImmutableSortedDictionary<long, ModelBlock> blocks = file.Blocks;
            for (long i = 0; i < count; i++)
                blocks = from.TryGetValue(start + i, out ModelBlock? block) ? blocks.SetItem(to + i, block) : blocks.Remove(to + i);
            _now = _now.With(inode, file with { Blocks = blocks });
        }
        Place(one, second.Blocks, to, from);
        Place(other, first.Blocks, from, to);
        if (length is not null) return;
        _now = _now.With(one, (ModelFile)_now.Nodes[one] with { Size = second.Size });
        _now = _now.With(other, (ModelFile)_now.Nodes[other] with { Size = first.Size });
    }

    /// <summary>The bytes of a file, in the state now.</summary>
    public byte[] Read(int inode)
    {
        ModelFile file = (ModelFile)_now.Nodes[inode];
        byte[] content = new byte[file.Size];
        foreach ((long index, ModelBlock block) in file.Blocks)
        {
            long at = index * BlockSize;
            block.Latest.AsSpan(0, (int)Math.Min(BlockSize, content.Length - at)).CopyTo(content.AsSpan((int)at));
        }
        return content;
    }
}

/// <summary>A block on the disk, with every content it has had.</summary>
internal sealed class ModelBlock
{
    private readonly List<(int Operation, int Inode, byte[] Bytes)> _versions = [];

    public ModelBlock(int operation, int inode, byte[] bytes) => Add(operation, inode, bytes);

    /// <summary>Files that map it now, counted as often as they do.</summary>
    public int References { get; set; }

    public byte[] Latest => _versions[^1].Bytes;

    /// <summary>What the file had here before its owner was given this block, if copy-on-write did that.</summary>
    public byte[]? Before { get; set; }

    /// <summary>On the disk it may have another owner still, or again after a power cut: writes to it may be put off.</summary>
    public bool MayBeShared { get; set; }

    /// <summary>The operation that wrote it first.</summary>
    public int Born => _versions[0].Operation;

    public void Add(int operation, int inode, byte[] bytes)
    {
        if (_versions.Count > 0 && _versions[^1].Operation == operation)
            _versions[^1] = (operation, inode, bytes);
        else
            _versions.Add((operation, inode, bytes));
    }

    /// <summary>What it held after some operations.</summary>
    public ReadOnlySpan<byte> After(int operations) => _versions.FindLast(v => v.Operation <= operations).Bytes;

    /// <summary>
    /// True if a piece read by an inode is what it was after <paramref name="operations"/> operations, or something that inode
    /// itself has written in place since then, up to operation <paramref name="begun"/>, or what was there before a write that
    /// was put off: one behind the last of the <paramref name="flushed"/> operations, which nothing has settled.
    /// </summary>
    public bool Allows(ReadOnlySpan<byte> piece, int offset, int inode, Model model, int operations, int begun, int flushed)
    {
        for (int i = _versions.Count - 1; i >= 0; i--)
        {
            (int operation, int writer, byte[] bytes) = _versions[i];
            if (operation > begun || (operation > operations && writer != inode))
                continue;
            if (bytes.AsSpan(offset, piece.Length).SequenceEqual(piece))
                return true;
            if (operation > operations) continue;
            if (!MayBeShared || operation <= flushed || model.IsSettled(writer, operation, operations))
                return false;
            if (i == 0)
                return Before is not null && Before.AsSpan(offset, piece.Length).SequenceEqual(piece);
        }
        return false;
    }
}

/// <summary>A tree at one moment. Paths have no leading slash; the root is the empty one.</summary>
internal sealed record ModelState(ImmutableDictionary<int, ModelNode> Nodes)
{
    public ModelState With(int inode, ModelNode node) => this with { Nodes = Nodes.SetItem(inode, node) };

    public int Find(string path) => TryFind(path, out int inode) ? inode : throw new InvalidOperationException($"the model has no '{path}'");

    public bool TryFind(string path, out int inode)
    {
        inode = 0;
        if (path.Length == 0)
            return true;
        foreach (string name in path.Split('/'))
            if (Nodes[inode] is not ModelDirectory directory || !directory.Entries.TryGetValue(name, out inode))
                return false;
        return true;
    }

    public (int Folder, string Name) Parent(string path)
    {
        int slash = path.LastIndexOf('/');
        return slash < 0 ? (0, path) : (Find(path[..slash]), path[(slash + 1)..]);
    }

    /// <summary>Every name below the root with its inode, folders before what is in them.</summary>
    public IEnumerable<(string Path, int Inode)> Paths()
    {
        Stack<(string, int)> open = new([("", 0)]);
        while (open.TryPop(out (string Path, int Inode) entry))
        {
            if (entry.Path.Length > 0)
                yield return entry;
            if (Nodes[entry.Inode] is not ModelDirectory directory)
                continue;
            foreach ((string name, int inode) in directory.Entries.Reverse())
                open.Push((entry.Path.Length == 0 ? name : $"{entry.Path}/{name}", inode));
        }
    }

    /// <summary>Names of a file.</summary>
    public int LinksOf(int inode) => Nodes.Values.OfType<ModelDirectory>().Sum(d => d.Entries.Values.Count(i => i == inode));
}
