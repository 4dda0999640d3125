using ImageFs.Format;
using Kaitai;

namespace ImageFs.Cli;

// Inodes, and the blocks of their forks.
internal sealed partial class InspectImage
{
    private const ulong DirectoryLeafOffset = 1UL << 35, DirectoryFreeOffset = 1UL << 36;
    private static readonly string[] s_ofInode = ["dir", "attr", "bmap", "attr_bmap", "bmbt", "attr_bmbt", "symlink"];

    private Inspected Inode(InspectSteps walk)
    {
        Xfs.Superblock sb = Sb;
        long number = walk.Rest == "root" ? Root() : walk.Number((long)sb.Agcount << (sb.Agblklog + sb.Inopblog), "inode numbers");
        string place = walk.Where;
        Inspected found = ReadInode(number);
        if (walk.Rest is not string step || !s_ofInode.Contains(step))
        {
            // A wrong step is to be answered with all possible ones, not only with the inode's fields.
            if (walk.Rest is string field && InspectValues.Fields(found.Value)!.All(f => f.Name != field))
                throw new InspectPathException(place, field, [.. s_ofInode, .. InspectValues.Fields(found.Value)!.Select(f => f.Name)]);
            return found;
        }
        walk.Skip();
        Xfs.Dinode inode = Whole<Xfs.Dinode>(found);
        return step switch
        {
            "dir" => DirectoryBlocks(walk, inode, place),
            "attr" => AttributeBlocks(walk, inode, place),
            "bmap" => new Inspected($"extents of {place}", Extents(inode.DataFork, place)),
            "attr_bmap" => new Inspected($"extents of the attribute fork of {place}", Extents(inode.AttrFork, place)),
            "bmbt" => Bmbt(walk, inode.DataFork, place),
            "attr_bmbt" => Bmbt(walk, inode.AttrFork, place),
            _ => Symlink(inode, place),
        };

        long Root()
        {
            walk.Skip();
            return (long)Math.Min(sb.Rootino, long.MaxValue);
        }
    }

    private Inspected ReadInode(long number)
    {
        Xfs.Superblock sb = Sb;
        long ag = number >> (sb.Agblklog + sb.Inopblog), agino = number & ((1L << (sb.Agblklog + sb.Inopblog)) - 1);
        long offset = ByteOffset("inode", ag, agino >> sb.Inopblog) + ((agino & ((1L << sb.Inopblog) - 1)) << sb.Inodelog);
        Inspected found = Read(InspectKind.Inode, offset, _xfs.InodeSize, $"byte {offset}, the place of number {number}");
        if (found.Problem is null && found.Value is Xfs.Dinode inode && inode.Core.Ino != (ulong)number)
            return found with { Problem = new CorruptionException("inode", $"byte {offset}, the place of number {number}", $"says it is number {inode.Core.Ino}") };
        return found;
    }

    // ---- extents ----------------------------------------------------------------------------------------------------

    /// <summary>The extents of a fork in the order of the file. Ends with an exception where the bmbt is damaged.</summary>
    private IEnumerable<Xfs.BmbtRec> Extents(object? fork, string place) => fork switch
    {
        Xfs.ForkExtents list => list.Recs,
        Xfs.ForkBtree root => BmbtBlocks(root, place).Where(b => b.Block.Header.Level == 0).SelectMany(b => b.Block.Recs),
        _ => [],
    };

    private IEnumerable<(ulong Place, Xfs.BtreeLongBlock Block)> BmbtBlocks(Xfs.ForkBtree root, string place)
    {
        if (root.Level > 32) throw new CorruptionException("bmbt", place, $"{root.Level} levels");
        HashSet<ulong> seen = [];
        Stack<(ulong Place, int Level)> todo = new(Enumerable.Reverse(root.Ptrs).Select(p => (p, root.Level - 1)));
        while (todo.TryPop(out (ulong Place, int Level) next))
        {
            if (!seen.Add(next.Place)) throw new CorruptionException("bmbt", $"{place}, fsblock {next.Place}", "is reached twice");
            Xfs.BtreeLongBlock block = Whole<Xfs.BtreeLongBlock>(BmbtBlock(next.Place, place));
            if (block.Header.Level != next.Level)
                throw new CorruptionException("bmbt", $"{place}, fsblock {next.Place}", $"level: found {block.Header.Level}, expected {next.Level}");
            yield return (next.Place, block);
            if (next.Level > 0)
                for (int i = block.Ptrs.Count - 1; i >= 0; i--) todo.Push((block.Ptrs[i], next.Level - 1));
        }
    }

    private Inspected BmbtBlock(ulong fsBlock, string place) =>
        Read(InspectKind.Bmbt, ByteOffset("bmbt", fsBlock), _xfs.BlockSize, $"{place}, fsblock {fsBlock}");

    private Inspected Bmbt(InspectSteps walk, object? fork, string place)
    {
        if (fork is not Xfs.ForkBtree root)
        {
            if (walk.Rest is string more) throw new InspectPathException(walk.Where, more, ["nothing: the fork is no btree"]);
            return new Inspected($"fork of {place}, no btree", fork);
        }
        string where = walk.Where;
        switch (walk.Next())
        {
            case null:
                return new Inspected($"bmbt of {place}", new InspectGroup
                {
                    { "root", root },
                    { "blocks", BmbtBlocks(root, place).Select(b => new InspectGroup { { "fsblock", b.Place }, { "level", b.Block.Header.Level }, { "numrecs", b.Block.Header.Numrecs } }) },
                });
            case "root":
                return new Inspected($"bmbt root of {place}", root);
            case string step when ulong.TryParse(step, out ulong fsBlock) && fsBlock >> Sb.Agblklog < Sb.Agcount:
                return BmbtBlock(fsBlock, place);
            case string step:
                throw new InspectPathException(where, step, ["root", "FSBLOCK"]);
        }
    }

    private long ByteOffset(string structure, ulong fsBlock) =>
        ByteOffset(structure, (long)Math.Min(fsBlock >> Sb.Agblklog, long.MaxValue), (long)(fsBlock & ((1UL << Sb.Agblklog) - 1)));

    // ---- directories and attributes ---------------------------------------------------------------------------------

    private Inspected DirectoryBlocks(InspectSteps walk, Xfs.Dinode inode, string place)
    {
        if (inode.Core.FileType != Xfs.FileType.Directory)
            throw new InspectPathException(place, "dir", ["nothing: this is no directory"]);
        if (inode.DataFork is Xfs.ForkDirectory)
        {
            if (walk.Rest is "0") walk.Skip();
            return new Inspected($"directory of {place}, short form", inode.DataFork);
        }
        int each = 1 << Sb.Dirblklog;
        return ForkBlocks(walk, inode.DataFork, place, each, InspectKind.OfDirectory, first => new InspectGroup
        {
            { "space", first << Sb.Blocklog >= DirectoryFreeOffset ? "free" : first << Sb.Blocklog >= DirectoryLeafOffset ? "leaf" : "data" },
        });
    }

    private Inspected AttributeBlocks(InspectSteps walk, Xfs.Dinode inode, string place)
    {
        if (inode.AttrFork is null) throw new InspectPathException(place, "attr", ["nothing: there is no attribute fork"]);
        if (inode.AttrFork is Xfs.ForkAttributes)
        {
            if (walk.Rest is "0") walk.Skip();
            return new Inspected($"attributes of {place}, short form", inode.AttrFork);
        }
        return ForkBlocks(walk, inode.AttrFork, place, 1, InspectKind.OfAttributes, _ => []);
    }

    /// <summary>The blocks of a fork that holds structures; with one more step, one of them.</summary>
    /// <param name="each">How many file system blocks one of them has.</param>
    private Inspected ForkBlocks(InspectSteps walk, object? fork, string place, int each, InspectKind[] kinds, Func<ulong, InspectGroup> describe)
    {
        string where = walk.Where;
        if (walk.Next() is not string step)
            return new Inspected($"blocks of {where}", List());
        if (!ulong.TryParse(step, out ulong wanted)) throw new InspectPathException(where, step, Possible());
        byte[] bytes = new byte[each << Sb.Blocklog];
        long start = -1;
        for (int i = 0; i < each; i++)
        {
            ulong block = wanted + (uint)i;
            Xfs.BmbtRec? extent = Extents(fork, place).FirstOrDefault(e => e.Startoff <= block && block - e.Startoff < e.Blockcount);
            if (extent is null) throw new InspectPathException(where, step, Possible());
            long offset = ByteOffset("directory or attribute block", extent.Startblock + (block - extent.Startoff));
            if (i == 0) start = offset;
            Bytes(offset, _xfs.BlockSize, "block", $"{where}, file block {block}").CopyTo(bytes, i << Sb.Blocklog);
        }
        string at = $"{where}, file block {wanted}";
        InspectKind? kind = InspectKind.Detect(bytes, kinds);
        return kind is null
            ? new Inspected("block without a known magic number", new InspectDump(bytes)) { Offset = start, Length = bytes.Length, Problem = new CorruptionException("block", at, "magic: found none of those that belong here") }
            : kind.Read(bytes, start, at, Sb.HasFtype);

        IEnumerable<string> Possible() =>
            Extents(fork, place).SelectMany(e => Enumerable.Range(0, (int)Math.Min(e.Blockcount, 64)).Select(i => e.Startoff + (uint)i))
                .Where(b => b % (uint)each == 0).Take(64).Select(b => b.ToString()).DefaultIfEmpty("nothing, there are no blocks");

        IEnumerable<InspectGroup> List()
        {
            foreach (Xfs.BmbtRec extent in Extents(fork, place))
                for (ulong i = 0; i < extent.Blockcount; i++)
                {
                    ulong block = extent.Startoff + i;
                    if (block % (uint)each != 0) continue;
                    InspectGroup group = new() { { "fileblock", block }, { "fsblock", extent.Startblock + i } };
                    foreach (KeyValuePair<string, object?> more in describe(block)) group.Add(more.Key, more.Value);
                    byte[] head = Bytes(ByteOffset("block", extent.Startblock + i), 512, "block", $"{where}, file block {block}");
                    group.Add("is", InspectKind.Detect(head, kinds)?.Name ?? "unknown");
                    yield return group;
                }
        }
    }

    private Inspected Symlink(Xfs.Dinode inode, string place)
    {
        if (inode.Core.FileType != Xfs.FileType.Symlink) throw new InspectPathException(place, "symlink", ["nothing: this is no symbolic link"]);
        if (inode.DataFork is Xfs.ForkSymlink) return new Inspected($"target of {place}, in the inode", inode.DataFork);
        List<Xfs.BmbtRec> extents = [.. Extents(inode.DataFork, place).Take(8)];
        if (extents.Count == 0) throw new CorruptionException("symlink", place, "no block with its target");
        // One header for each extent; a target is short, so that one extent is the rule.
        Inspected[] parts = [.. extents.Select(e => Read(InspectKind.SymlinkBlock, ByteOffset("symlink", e.Startblock), (int)Math.Min(e.Blockcount, 8) << Sb.Blocklog, place))];
        return parts.Length == 1 ? parts[0] : new Inspected($"target of {place}", parts.Select(p => p.Value)) { Problem = parts.Select(p => p.Problem).FirstOrDefault(p => p is not null) };
    }
}
