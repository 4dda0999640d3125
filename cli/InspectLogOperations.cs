using System.Numerics;
using ImageFs.Format;
using Kaitai;

namespace ImageFs.Cli;

/// <summary>
/// Says what the operations of log records carry. An operation does not say it itself: it follows from those before it in
/// the same transaction, which may be in earlier records.
/// </summary>
internal sealed class InspectLogOperations(bool hasFileType)
{
    private const int MostOpen = 1 << 16, LargestRegion = 1 << 20;

    /// <summary>Where a transaction is.</summary>
    private sealed class Open
    {
        public bool HasHeader;
        public Xfs.LogItem? Item;
        public int RegionsLeft;
        public int RegionIndex;
        // Of a buffer item: the place of the next chunk that was logged. Of an inode item: its type, from its core.
        public int NextChunk;
        public Xfs.FileType FileType;
        public List<byte>? Split;
    }

    private readonly Dictionary<uint, Open> _open = [];

    /// <summary>Takes notice of a record.</summary>
    public void Follow(byte[] payload, uint count) => Follow(payload, count, out _);

    /// <summary>Goes through a record and tells what is in it.</summary>
    /// <param name="payload">With the first words of its blocks put back.</param>
    /// <param name="problem">Why not all operations could be read.</param>
    public List<InspectGroup> Follow(byte[] payload, uint count, out string? problem)
    {
        problem = null;
        Xfs.LogPayload operations = new(count, new KaitaiStream(payload));
        try
        {
            operations._read();
        }
        catch (Exception e) when (InspectValues.IsBadData(e))
        {
            problem = $"operation {Math.Max(0, (operations.Ops?.Count ?? 0) - 1)}: {InspectValues.Describe(e)}";
        }
        List<InspectGroup> all = [];
        foreach (Xfs.LogOp operation in operations.Ops ?? [])
        {
            if (operation.Header is null) continue;
            // An operation that was cut off has no region at all.
            byte[] region = operation.Region ?? [];
            (string what, object? value) = Explain(operation.Header, region);
            InspectGroup group = new() { { "header", operation.Header }, { "carries", what } };
            if (region.Length > 0 && value is not null) group.Add("region", value);
            all.Add(group);
        }
        return all;
    }

    private (string What, object? Value) Explain(Xfs.LogOpHeader header, byte[] region)
    {
        if (header.Unmount) return ("unmount record", Read(new Xfs.LogUnmount(new KaitaiStream(region)), s => s._read()));
        if (header.Start)
        {
            // The number of transactions that are open at once is bounded by what a writer remembers.
            if (_open.Count >= MostOpen) _open.Clear();
            _open[header.Tid] = new Open();
            return ("start", null);
        }
        if (header.Commit)
        {
            _open.Remove(header.Tid);
            return ("commit", null);
        }
        if (!_open.TryGetValue(header.Tid, out Open? open)) return ("region of a transaction whose start is not here", new InspectDump(region));

        string part = "";
        if (header.WasCont || header.Cont)
        {
            open.Split ??= [];
            if (open.Split.Count + region.Length <= LargestRegion) open.Split.AddRange(region);
            if (header.Cont) return ($"part of a region of {open.Split.Count} bytes so far", new InspectDump(region));
            region = [.. open.Split];
            open.Split = null;
            part = $", {region.Length} bytes with the parts before";
        }
        (string what, object? value) = Explain(open, region);
        return (what + part, value);
    }

    private (string What, object? Value) Explain(Open open, byte[] region)
    {
        if (!open.HasHeader)
        {
            open.HasHeader = true;
            return ("transaction header", Read(new Xfs.LogTransaction(new KaitaiStream(region)), s => s._read()));
        }
        if (open.RegionsLeft > 0)
        {
            open.RegionsLeft--;
            open.RegionIndex++;
            return Data(open, region);
        }
        Xfs.LogItem item = new(new KaitaiStream(region));
        object value = Read(item, s => s._read());
        open.Item = item;
        open.RegionsLeft = Math.Max(0, item.Size - 1);
        open.RegionIndex = 0;
        open.NextChunk = 0;
        open.FileType = Xfs.FileType.None;
        return ($"item {(InspectScalars.EnumName(item.Type) ?? "of unknown type").ToUpperInvariant()}", value);
    }

    // What follows the format of an item.
    private (string What, object? Value) Data(Open open, byte[] region) => open.Item?.Format switch
    {
        Xfs.LogBuf buffer => Chunk(open, buffer, region),
        Xfs.LogInode when open.RegionIndex == 1 => Core(open, region),
        Xfs.LogInode inode => Fork(open, inode, region),
        Xfs.LogDquot => ("dquot", Read(new Xfs.Dquot(new KaitaiStream(region)), s => s._read())),
        Xfs.LogAttri => ("name or value", region),
        _ => ("data", new InspectDump(region)),
    };

    private static (string What, object? Value) Chunk(Open open, Xfs.LogBuf buffer, byte[] region)
    {
        List<uint> map = buffer.DataMap ?? [];
        int at = open.NextChunk;
        while (at < map.Count * 32 && (map[at / 32] >> (at % 32) & 1) == 0) at++;
        open.NextChunk = at + Math.Max(1, region.Length / LogBufferItem.ChunkSize);
        return at < map.Count * 32
            ? ($"bytes {at * LogBufferItem.ChunkSize} to {at * LogBufferItem.ChunkSize + region.Length - 1} of the buffer at daddr {buffer.Blkno}", new InspectDump(region))
            : ("data beyond the buffer's map", new InspectDump(region));
    }

    private static (string What, object? Value) Core(Open open, byte[] region)
    {
        Xfs.DinodeCore core = new(true, new KaitaiStream(region));
        object value = Read(core, s => s._read());
        open.FileType = core.FileType;
        return ("inode core", value);
    }

    private (string What, object? Value) Fork(Open open, Xfs.LogInode inode, byte[] region)
    {
        const uint data = LogInodeItem.DataLocal | LogInodeItem.DataExtents | LogInodeItem.DataBtree;
        bool isData = open.RegionIndex == 2 && (inode.Fields & data) != 0;
        uint form = isData ? inode.Fields & data : (inode.Fields & (LogInodeItem.AttrLocal | LogInodeItem.AttrExtents | LogInodeItem.AttrBtree)) >> 5;
        string what = isData ? "data fork" : "attribute fork";
        KaitaiStream io = new(region);
        return BitOperations.PopCount(form) != 1 ? (what, new InspectDump(region)) : form switch
        {
            LogInodeItem.DataExtents => (what + ", extents", Read(new Xfs.ForkExtents((ulong)region.Length / 16, io), s => s._read())),
            LogInodeItem.DataBtree => (what + ", root of the bmbt", Read(new Xfs.BtreeLongBlock(io), s => s._read())),
            _ when !isData => (what + ", short form", Read(new Xfs.ForkAttributes(io), s => s._read())),
            _ when open.FileType == Xfs.FileType.Directory => (what + ", directory in short form", Read(new Xfs.ForkDirectory(hasFileType, io), s => s._read())),
            _ when open.FileType == Xfs.FileType.Symlink => (what + ", target", Read(new Xfs.ForkSymlink((ulong)region.Length, io), s => s._read())),
            _ => (what, new InspectDump(region)),
        };
    }

    /// <summary>The structure, or as much of it as makes sense and why not more.</summary>
    private static object Read<T>(T structure, Action<T> read) where T : KaitaiStruct
    {
        try
        {
            read(structure);
            return structure;
        }
        catch (Exception e) when (InspectValues.IsBadData(e))
        {
            return new InspectGroup { { "problem", InspectValues.Describe(e) }, { "partly", structure } };
        }
    }
}
