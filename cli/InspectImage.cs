using ImageFs.Devices;
using ImageFs.Format;
using Kaitai;

namespace ImageFs.Cli;

/// <summary>
/// Finds structures on an image by a path such as `ag/0/rmapbt/root/recs/3`. It reads with the generated reader alone: what
/// it shows does not depend on how the rest of the program understands the format.
/// </summary>
internal sealed partial class InspectImage
{
    private const int SmallestSector = 512;

    private readonly BlockDevice _device;
    private readonly Xfs _xfs;
    private readonly Xfs.Superblock? _sb;
    private readonly string _superblockProblem = "";

    public InspectImage(BlockDevice device)
    {
        _device = device;
        _xfs = new Xfs(new KaitaiStream(new InspectStream(device)));
        try
        {
            _xfs._read();
            _sb = _xfs.Sb;
            if (_sb.Version != 5) _superblockProblem = $"version {_sb.Version}, only version 5 is described";
        }
        catch (Exception e) when (InspectValues.IsBadData(e))
        {
            _superblockProblem = InspectValues.Describe(e);
        }
        if (_superblockProblem.Length > 0) _sb = null;
    }

    // Everything but the superblock of group 0 is found by it.
    private Xfs.Superblock Sb => _sb ?? throw new CorruptionException("superblock", "byte 0 of the image", _superblockProblem);

    private static readonly string[] s_first =
        ["sb", "sb/AG", "agf/AG", "agi/AG", "agfl/AG", "ag/AG", "ag/AG/TREE", "inode/N", "block/AG/AGBNO", "fsblock/N", "daddr/N", "log", "log/N"];

    /// <summary>Follows a path.</summary>
    /// <exception cref="InspectPathException">It leads nowhere.</exception>
    /// <exception cref="CorruptionException">What it leads over cannot be read.</exception>
    public Inspected Find(string path)
    {
        string[] steps = path.Replace('[', '/').Replace("]", "", StringComparison.Ordinal).Split('/', StringSplitOptions.RemoveEmptyEntries);
        InspectSteps walk = new(steps);
        Inspected found = walk.Next() switch
        {
            null => Overview(),
            "sb" => walk.IsNumber ? Header(InspectKind.Superblock, Group(walk), 0) : Header(InspectKind.Superblock, 0, 0),
            "agf" => Header(InspectKind.Agf, Group(walk), 1),
            "agi" => Header(InspectKind.Agi, Group(walk), 2),
            "agfl" => Header(InspectKind.Agfl, Group(walk), 3),
            "ag" => AllocationGroup(walk),
            "inode" => Inode(walk),
            "block" => Block(walk),
            "fsblock" => FsBlock(walk),
            "daddr" => DiskAddress(walk),
            "log" => Log(walk),
            _ => throw new InspectPathException("", steps[0], s_first),
        };
        while (walk.Rest is { } rest)
        {
            string where = walk.Where;
            walk.Skip();
            found = found with { Structure = $"part of {found.Structure.Replace("part of ", "", StringComparison.Ordinal)}", Value = InspectValues.Step(found.Value, rest, where) };
        }
        return found;
    }

    private Inspected Overview()
    {
        Xfs.Superblock sb = Sb;
        return new Inspected("overview", new InspectGroup
        {
            { "blocksize", sb.Blocksize }, { "sectsize", sb.Sectsize }, { "inodesize", sb.Inodesize }, { "dir_block_size", _xfs.DirBlockSize },
            { "dblocks", sb.Dblocks }, { "agcount", sb.Agcount }, { "agblocks", sb.Agblocks }, { "rootino", sb.Rootino },
            { "logstart", sb.Logstart }, { "logblocks", sb.Logblocks }, { "paths", s_first },
        });
    }

    // ---- groups -----------------------------------------------------------------------------------------------------

    private long Group(InspectSteps walk)
    {
        Xfs.Superblock sb = Sb;
        return walk.Number(Math.Min(sb.Agcount, _xfs.AgsInStream), "groups");
    }

    private Inspected Header(InspectKind kind, long ag, int sector)
    {
        // Without a usable superblock there is still the first sector.
        int size = _sb is null ? SmallestSector : _xfs.SectorSize;
        return Read(kind, ag == 0 ? (long)sector * size : ag * _xfs.AgSize + (long)sector * size, size, $"group {ag}");
    }

    private static readonly InspectKind[] s_headers = [InspectKind.Superblock, InspectKind.Agf, InspectKind.Agi, InspectKind.Agfl];

    private static readonly (string Name, InspectKind Kind)[] s_trees =
    [
        ("bnobt", InspectKind.Bnobt), ("cntbt", InspectKind.Cntbt), ("inobt", InspectKind.Inobt), ("finobt", InspectKind.Finobt),
        ("rmapbt", InspectKind.Rmapbt), ("refcountbt", InspectKind.Refcountbt),
    ];

    private Inspected AllocationGroup(InspectSteps walk)
    {
        long ag = Group(walk);
        string[] possible = ["sb", "agf", "agi", "agfl", .. s_trees.Where(t => HasTree(t.Name)).Select(t => t.Name)];
        string where = walk.Where;
        string? step = walk.Next();
        switch (step)
        {
            case null:
                InspectGroup group = new() { { "number", ag }, { "offset", ag * _xfs.AgSize }, { "paths", possible } };
                foreach ((string name, Func<Inspected> header) in ((string, Func<Inspected>)[])
                    [("agf", () => Header(InspectKind.Agf, ag, 1)), ("agi", () => Header(InspectKind.Agi, ag, 2))])
                    group.Add(name, header().Value);
                return new Inspected("allocation group", group);
            case "sb": return Header(InspectKind.Superblock, ag, 0);
            case "agf": return Header(InspectKind.Agf, ag, 1);
            case "agi": return Header(InspectKind.Agi, ag, 2);
            case "agfl": return Header(InspectKind.Agfl, ag, 3);
        }
        if (!possible.Contains(step)) throw new InspectPathException(where, step, possible);
        return Tree(walk, ag, s_trees.First(t => t.Name == step).Kind);
    }

    private bool HasTree(string name) => name switch
    {
        "finobt" => Sb.HasFinobt,
        "rmapbt" => Sb.HasRmapbt,
        "refcountbt" => Sb.HasReflink,
        _ => true,
    };

    private Inspected Tree(InspectSteps walk, long ag, InspectKind kind)
    {
        Xfs.Agf agf = Whole<Xfs.Agf>(Header(InspectKind.Agf, ag, 1));
        Xfs.Agi agi = Whole<Xfs.Agi>(Header(InspectKind.Agi, ag, 2));
        (uint root, uint levels) = kind.Name switch
        {
            "bnobt" => (agf.Bnoroot, agf.Bnolevel),
            "cntbt" => (agf.Cntroot, agf.Cntlevel),
            "inobt" => (agi.Root, agi.Level),
            "finobt" => (agi.FreeRoot, agi.FreeLevel),
            "rmapbt" => (agf.Rmaproot, agf.Rmaplevel),
            _ => (agf.Refcntroot, agf.Refcntlevel),
        };
        string where = walk.Where;
        string[] possible = ["root", "records", "blocks", "AGBNO"];
        switch (walk.Next())
        {
            case null:
                return new Inspected($"{kind.Name} of group {ag}", new InspectGroup { { "root", root }, { "levels", levels }, { "paths", possible }, { "blocks", Blocks() } });
            case "root":
                return TreeBlock(kind, ag, root);
            case "blocks":
                return new Inspected($"blocks of the {kind.Name} of group {ag}", Blocks());
            case "records":
                return new Inspected($"records of the {kind.Name} of group {ag}", TreeBlocks(kind, ag, root, levels).Where(b => b.Block.Header.Level == 0).SelectMany(b => b.Block.Recs));
            case string step when uint.TryParse(step, out uint agbno) && agbno < Sb.Agblocks:
                return TreeBlock(kind, ag, agbno);
            case string step:
                throw new InspectPathException(where, step, possible);
        }

        IEnumerable<InspectGroup> Blocks() => TreeBlocks(kind, ag, root, levels).Select(b => new InspectGroup
        {
            { "agbno", b.Place }, { "level", b.Block.Header.Level }, { "numrecs", b.Block.Header.Numrecs },
            { "leftsib", b.Block.Header.Leftsib }, { "rightsib", b.Block.Header.Rightsib },
        });
    }

    /// <summary>The blocks of a tree, each before those below it. Ends with an exception where the tree is damaged.</summary>
    private IEnumerable<(uint Place, Xfs.BtreeShortBlock Block)> TreeBlocks(InspectKind kind, long ag, uint root, uint levels)
    {
        if (levels is 0 or > 32) throw new CorruptionException(kind.Name, $"group {ag}", $"{levels} levels");
        HashSet<uint> seen = [];
        Stack<(uint Place, int Level)> todo = new([(root, (int)levels - 1)]);
        while (todo.TryPop(out (uint Place, int Level) next))
        {
            if (!seen.Add(next.Place)) throw new CorruptionException(kind.Name, Place(ag, next.Place), "is reached twice");
            Xfs.BtreeShortBlock block = Whole<Xfs.BtreeShortBlock>(TreeBlock(kind, ag, next.Place));
            if (block.Header.Level != next.Level)
                throw new CorruptionException(kind.Name, Place(ag, next.Place), $"level: found {block.Header.Level}, expected {next.Level}");
            yield return (next.Place, block);
            if (next.Level > 0)
                for (int i = block.Ptrs.Count - 1; i >= 0; i--) todo.Push((block.Ptrs[i], next.Level - 1));
        }
    }

    private Inspected TreeBlock(InspectKind kind, long ag, uint agbno) => Read(kind, ByteOffset(kind.Name, ag, agbno), _xfs.BlockSize, Place(ag, agbno));

    // ---- blocks by address ------------------------------------------------------------------------------------------

    private Inspected Block(InspectSteps walk)
    {
        long ag = Group(walk);
        return AnyBlock(walk, ag, walk.Number(Sb.Agblocks, "blocks of the group"));
    }

    private Inspected FsBlock(InspectSteps walk)
    {
        long number = walk.Number((long)Sb.Agcount << Sb.Agblklog, "block numbers");
        return AnyBlock(walk, number >> Sb.Agblklog, number & ((1L << Sb.Agblklog) - 1));
    }

    private Inspected DiskAddress(InspectSteps walk)
    {
        _ = Sb;
        long offset = walk.Number(_device.Length >> 9, "units of 512 bytes") << 9;
        long ag = offset / _xfs.AgSize, inGroup = offset % _xfs.AgSize;
        if (inGroup < 4 * _xfs.SectorSize && inGroup % _xfs.SectorSize == 0)
            return Header(s_headers[inGroup / _xfs.SectorSize], ag, (int)(inGroup / _xfs.SectorSize));
        return AnyBlock(walk, ag, inGroup >> Sb.Blocklog);
    }

    /// <summary>A block, as whatever its magic number says it is.</summary>
    private Inspected AnyBlock(InspectSteps walk, long ag, long agbno)
    {
        long offset = ByteOffset("block", ag, agbno);
        string place = Place(ag, agbno);
        byte[] bytes = Bytes(offset, _xfs.BlockSize, "block", place);
        InspectKind? kind = InspectKind.Detect(bytes);
        if (kind == InspectKind.Inode)
        {
            int size = _xfs.InodeSize;
            IEnumerable<object?> inodes = Enumerable.Range(0, _xfs.BlockSize / size)
                .Select(i => InspectKind.Inode.Read(bytes[(i * size)..((i + 1) * size)], offset + i * size, $"{place}, inode {i} there", Sb.HasFtype).Value);
            return new Inspected("block of inodes", inodes) { Offset = offset, Length = bytes.Length };
        }
        if (kind == InspectKind.Superblock)
            return new Inspected("headers of the group", new InspectGroup
            {
                { "sb", Header(InspectKind.Superblock, ag, 0).Value }, { "agf", Header(InspectKind.Agf, ag, 1).Value },
                { "agi", Header(InspectKind.Agi, ag, 2).Value }, { "agfl", Header(InspectKind.Agfl, ag, 3).Value },
            });
        if (kind is null)
            return new Inspected("block without a known magic number", new InspectDump(bytes)) { Offset = offset, Length = bytes.Length };
        if (kind == InspectKind.Agf || kind == InspectKind.Agi || kind == InspectKind.Agfl) return Read(kind, offset, Math.Min(_xfs.SectorSize, _xfs.BlockSize), place);
        Inspected found = kind.Read(bytes, offset, place, Sb.HasFtype);
        // A block of a directory may be several blocks long; those of attribute forks with the same magic never are.
        if (found.Checksum != "correct" && _xfs.DirBlockSize > _xfs.BlockSize && InspectKind.OfDirectory.Contains(kind) && offset + _xfs.DirBlockSize <= _device.Length)
            return Read(kind, offset, _xfs.DirBlockSize, place);
        return found;
    }

    // ---- reading ----------------------------------------------------------------------------------------------------

    private static string Place(long ag, long agbno) => $"group {ag}, block {agbno}";

    private long ByteOffset(string structure, long ag, long agbno)
    {
        if (ag < 0 || ag >= Sb.Agcount || agbno < 0 || agbno >= Sb.Agblocks)
            throw new CorruptionException(structure, Place(ag, agbno), $"outside the {Sb.Agcount} groups of {Sb.Agblocks} blocks");
        return ag * _xfs.AgSize + (agbno << Sb.Blocklog);
    }

    private Inspected Read(InspectKind kind, long offset, int length, string place) =>
        kind.Read(Bytes(offset, length, kind.Name, place), offset, place, _sb is null || _sb.HasFtype);

    private byte[] Bytes(long offset, int length, string structure, string place)
    {
        if (offset < 0 || offset > _device.Length - length)
            throw new CorruptionException(structure, place, $"{length} bytes at {offset}, the image ends at {_device.Length}");
        byte[] bytes = new byte[length];
        _device.Read(offset, bytes);
        return bytes;
    }

    /// <summary>The structure, if nothing was wrong with it: others are found by it.</summary>
    private static T Whole<T>(Inspected found) where T : KaitaiStruct => found.Problem is { } problem ? throw problem : (T)found.Value!;
}

/// <summary>The steps of a path, taken one after the other.</summary>
internal sealed class InspectSteps(string[] steps)
{
    private int _taken;

    /// <summary>The path so far.</summary>
    public string Where => string.Join('/', steps[.._taken]);

    /// <summary>The next step, or null at the end.</summary>
    public string? Rest => _taken < steps.Length ? steps[_taken] : null;

    /// <summary>The next step is a number.</summary>
    public bool IsNumber => long.TryParse(Rest, out _);

    public void Skip() => _taken++;

    /// <summary>Takes the next step; null at the end.</summary>
    public string? Next() => _taken < steps.Length ? steps[_taken++] : null;

    /// <summary>Takes a step that is a number below a bound.</summary>
    public long Number(long bound, string ofWhat)
    {
        string where = Where, range = bound == 1 ? "0" : $"0 to {bound - 1} ({ofWhat})";
        if (Rest is not string step) throw new InspectPathException(where, "", [range]);
        if (!long.TryParse(step, System.Globalization.NumberStyles.None, null, out long number) || number >= bound) throw new InspectPathException(where, step, [range]);
        _taken++;
        return number;
    }
}
