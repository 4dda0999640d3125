using System.Buffers;
using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>What all parts of one check share: the image, its geometry, what was seen so far, what was found.</summary>
/// <remarks>
/// Always true: a metadata block is read at most once per image. Whoever follows a pointer asks <see cref="Enter"/> first,
/// so no cycle and no fan-in of a hostile image costs more than the blocks it really has.
/// </remarks>
internal sealed class Scan
{
    private const int BytesOfPlace = 32;
    private readonly SparseBitmap?[] _entered;
    // What was said to be unreadable or beyond the end: places without an owner, and inodes.
    private readonly HashSet<long> _unread = [];
    private readonly HashSet<ulong> _cutOff = [];
    private readonly bool _isWorkers;
    private int _lastAg = -1, _lastChunk;

    /// <param name="budget">What it may remember; null to leave that open, for scans that collect nothing.</param>
    public Scan(BlockDevice device, Geometry geometry, LogSequenceNumber head, FindingList findings, CancellationToken cancellation, MemoryBudget? budget = null)
    {
        Budget = budget ??= new MemoryBudget(long.MaxValue);
        Device = device;
        PresentBytes = device.Length;
        Geometry = geometry;
        Head = head;
        Findings = findings;
        Cancellation = cancellation;
        _entered = new SparseBitmap?[geometry.AgCount];
        Claims = new ClaimTable(geometry, budget);
        Inodes = new InodeTable(geometry, budget);
        Extents = new ClaimWriter(geometry, Claims);
    }

    private Scan(Scan of)
    {
        (Device, PresentBytes, Geometry, Head, Cancellation, Budget, Claims, Inodes, WasDirty, _entered) =
            (of.Device, of.PresentBytes, of.Geometry, of.Head, of.Cancellation, of.Budget, of.Claims, of.Inodes, of.WasDirty, of._entered);
        Findings = of.Findings.ForWorker();
        Extents = new ClaimWriter(Geometry, Claims);
        _isWorkers = true;
    }

    /// <summary>The same scan for one of several workers: what was seen is shared, what is found is its own.</summary>
    public Scan ForWorker() => new(this);

    /// <summary>Takes over what workers have found.</summary>
    public void Absorb(IReadOnlyCollection<Scan> workers)
    {
        Findings.Absorb(workers.Select(w => w.Findings));
        foreach (Scan worker in workers)
        {
            IsPartial |= worker.IsPartial;
            MetadataBlocks += worker.MetadataBlocks;
            NoteBeyondLog(worker.BeyondLog.Value);
        }
    }

    /// <summary>What is said next depends on what was met before; ends the work of several workers.</summary>
    public void MindOrder()
    {
        if (_isWorkers) throw new OrderMattersException();
    }

    public BlockDevice Device { get; }
    public Geometry Geometry { get; }

    /// <summary>Bytes the image really has; less than the file system's if it was cut off.</summary>
    public long PresentBytes { get; init; }

    /// <summary>True if the image was cut off: who is missing may only be out of sight.</summary>
    public bool IsShort => PresentBytes < Geometry.DeviceBytes;

    /// <summary>No LSN may lie beyond this; 0 if the log could not be read.</summary>
    public LogSequenceNumber Head { get; }

    public FindingList Findings { get; }
    public CancellationToken Cancellation { get; }
    public MemoryBudget Budget { get; }
    public ClaimTable Claims { get; }
    public InodeTable Inodes { get; }
    /// <summary>Where claims of extents go.</summary>
    public ClaimWriter Extents { get; }

    /// <summary>True once something could not be followed: what is derived from the rest is then too little.</summary>
    public bool IsPartial { get; set; }

    /// <summary>True if what recovery leaves for the first mount (unlinked inodes, CoW staging) is to be expected.</summary>
    public bool WasDirty { get; init; }

    /// <summary>The latest LSN beyond the log that was met; 0 if none was.</summary>
    public LogSequenceNumber BeyondLog { get; private set; }

    /// <summary>Notes an LSN the log has not reached.</summary>
    public void NoteBeyondLog(ulong lsn) => BeyondLog = new LogSequenceNumber(Math.Max(BeyondLog.Value, lsn));

    /// <summary>Blocks of metadata that were read.</summary>
    public long MetadataBlocks { get; private set; }

    /// <summary>Counts a block of metadata that was read elsewhere.</summary>
    public void CountBlock() => MetadataBlocks++;

    public void Report(FindingCode code, Where where, params ReadOnlySpan<object> values) => Findings.Add(code, where, values);

    /// <summary>Marks a block as visited metadata.</summary>
    /// <returns>False if it was visited before: the caller must not follow it again.</returns>
    public bool Enter(AgNumber ag, AgBlock block)
    {
        SparseBitmap entered = _entered[ag.Value] ?? Interlocked.CompareExchange(ref _entered[ag.Value], new SparseBitmap(), null) ?? _entered[ag.Value]!;
        lock (entered)
        {
            int pages = entered.Pages;
            bool isNew = entered.Add(block.Value);
            if (entered.Pages > pages) Budget.AddTables(SparseBitmap.BytesOfPage);
            if (isNew) return true;
        }
        MindOrder();
        return false;
    }

    /// <summary>The slot of an inode, as <see cref="InodeTable.Find(ulong)"/> tells it. Who asks for neighbours, one after the other, asks here.</summary>
    public int FindInode(ulong inode) => Inodes.Find(inode, ref _lastAg, ref _lastChunk);

    /// <summary>True if not all of a range is there, in an image that was cut off.</summary>
    public bool IsBeyondEnd(long offset, long length) => IsShort && offset > PresentBytes - length;

    /// <summary>Reads bytes; an error of the device, or the end of an image that was cut off, is a finding, once for each place.</summary>
    public bool TryRead(long offset, Span<byte> into, string what, Where where = default)
    {
        if (TryReadQuietly(offset, into, out string problem)) return true;
        MindOrder();
        MindOrder();
        IsPartial = true;
        if (!IsBeyondEnd(offset, into.Length))
        {
            if (Note(offset)) Report(FindingCodes.IoError, where, what, problem);
        }
        else if (where.Inode is ulong inode ? _cutOff.Add(inode) : Note(offset)) Report(FindingCodes.BeyondEnd, where, what);
        return false;
    }

    /// <summary>Reads bytes for somebody who reads them piece by piece if that fails.</summary>
    public bool TryReadQuietly(long offset, Span<byte> into, out string problem)
    {
        Cancellation.ThrowIfCancellationRequested();
        problem = "";
        if (offset < 0 || offset > PresentBytes - into.Length)
        {
            problem = $"{into.Length} bytes at offset {offset} are outside the image";
            return false;
        }
        try
        {
            Device.Read(offset, into);
            return true;
        }
        catch (IOException e)
        {
            problem = e.Message;
            return false;
        }
    }

    private bool Note(long offset)
    {
        if (!_unread.Add(offset)) return false;
        Budget.AddTables(BytesOfPlace);
        return true;
    }

    /// <summary>Reports that blocks of a fork are cut off; what cannot be read for that reason is not reported again.</summary>
    public void ReportCutOff(ulong inode, string fork, ulong beyond, ulong blocks)
    {
        MindOrder();
        _cutOff.Add(inode);
        InodeNumber number = new(inode);
        Report(FindingCodes.BeyondEnd, At(Geometry.AgOf(number), Geometry.BlockOf(Geometry.InodeInAg(number)), inode), $"{beyond} of {blocks} blocks of the {fork} fork");
    }

    /// <summary>Reads one block of metadata and holds it against its verifier; every fault is a finding.</summary>
    /// <returns>True if the structure can be used. A wrong checksum or LSN alone does not prevent that.</returns>
    public bool TryReadBlock(Structure structure, BlockKind kind, long offset, Span<byte> into, Where where)
    {
        MetadataBlocks++;
        return TryRead(offset, into, kind.Name(), where) && Accept(structure, kind, offset, into, where);
    }

    /// <summary>Holds a block that was read against its verifier; if it cannot be used, what is derived from the rest is too little.</summary>
    public bool Accept(Structure structure, BlockKind kind, long offset, ReadOnlySpan<byte> block, Where where)
    {
        bool usable = Judge(structure, kind, offset, block, where);
        if (!usable) IsPartial = true;
        return usable;
    }

    /// <summary>Holds a block that was read against its verifier.</summary>
    /// <returns>True if the structure can be used.</returns>
    public bool Judge(Structure structure, BlockKind kind, long offset, ReadOnlySpan<byte> block, Where where)
    {
        if (BlockVerifier.Verify(kind, block, Geometry, offset, Head) is not Fault fault) return true;
        Report(FindingCodes.For(structure, fault), where with { Field = fault.Field }, fault.Problem);
        if (!fault.IsChecksum && fault.Field != "lsn") return false;
        if (fault.Field == "lsn") NoteBeyondLog(System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(block[kind.LsnOffset()..]));
        // One wrong byte somewhere must not cost what the block still says; but what it says must make sense by itself.
        if (BlockVerifier.VerifyStructure(kind, block, Geometry, offset) is not Fault second) return true;
        if (fault.Field == "lsn") Report(FindingCodes.For(structure, second), where with { Field = second.Field }, second.Problem);
        return false;
    }

    /// <summary>The place of a block as findings name it.</summary>
    public Where At(AgNumber ag, AgBlock block, ulong? inode = null, string? field = null) => new(ag.Value, block.Value, inode, field);

    public Where At(FsBlock block, ulong? inode = null, string? field = null) => At(Geometry.AgOf(block), Geometry.BlockInAg(block), inode, field);

    /// <summary>A rented buffer of at least that size.</summary>
    public static byte[] Rent(int size) => ArrayPool<byte>.Shared.Rent(size);
    public static void Return(byte[] buffer) => ArrayPool<byte>.Shared.Return(buffer);
}
