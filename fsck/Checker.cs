using System.Diagnostics;
using ImageFs.Devices;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>
/// Checks an image without changing it: observes what is there, derives what every tree and counter should be, and compares.
/// Each difference is a finding.
/// </summary>
public static class Checker
{
    /// <summary>Checks the file system on a device, which is only read.</summary>
    /// <remarks>Whatever the bytes are, damage comes back as findings; only a file system that is not ours to check, or a device that cannot be read, gives exit 8.</remarks>
    public static FsckReport Check(BlockDevice device, FsckOptions? options = null, IProgress<FsckProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        options ??= new FsckOptions();
        Stopwatch clock = Stopwatch.StartNew();
        try
        {
            return Check(device, options, clock, progress, cancellation);
        }
        catch (OrderMattersException)
        {
            return Check(device, options with { Workers = 1 }, clock, progress, cancellation);
        }
    }

    private static FsckReport Check(BlockDevice device, FsckOptions options, Stopwatch clock, IProgress<FsckProgress>? progress, CancellationToken cancellation)
    {
        FindingList findings = new(options.MaxFindings, options.MaxFindingsPerCode);
        using MemoryBudget budget = new(options.MemoryBytes);
        Run run = new(device, budget, options.Workers, findings, progress, cancellation);
        FsckExit exit;
        string? problem = null;
        try
        {
            problem = run.Execute();
            exit = problem is not null ? FsckExit.OperationalError : findings.HasFaults ? FsckExit.ErrorsLeft : FsckExit.Clean;
        }
        catch (OperationCanceledException)
        {
            exit = FsckExit.Cancelled;
        }
        catch (IOException e)
        {
            exit = FsckExit.OperationalError;
            problem = e.Message;
        }
        return new FsckReport
        {
            Device = options.DeviceName,
            Findings = findings.Stored,
            Counts = findings.Counts,
            Exit = exit,
            Problem = problem,
            WasDirty = run.WasDirty,
            Scan = exit switch
            {
                FsckExit.OperationalError => ScanExtent.None,
                FsckExit.Cancelled => ScanExtent.Partial,
                _ => run.IsPartial ? ScanExtent.Partial : ScanExtent.Complete,
            },
            Statistics = run.Statistics(clock.Elapsed),
        };
    }

    /// <summary>One check from beginning to end.</summary>
    private sealed class Run(BlockDevice device, MemoryBudget budget, int workers, FindingList findings, IProgress<FsckProgress>? progress, CancellationToken cancellation)
    {
        private Scan? _scan;
        private InodeScan? _inodes;
        private NameScan? _names;

        public bool WasDirty { get; private set; }
        public bool IsPartial => _scan?.IsPartial ?? true;

        public FsckStatistics Statistics(TimeSpan elapsed) => new(
            _scan?.Geometry.AgCount ?? 0, _scan?.MetadataBlocks ?? 0, _inodes?.InodesSeen ?? 0, _inodes?.Directories.Count ?? 0, _names?.Names ?? 0, elapsed);

        /// <returns>Null, or why nothing could be checked.</returns>
        public string? Execute()
        {
            budget.Require();
            if (SuperblockFinder.Find(device, findings, budget.Bytes, cancellation, out byte[] sector, out uint source) is string refusal) return refusal;
            if (!TryLayOut(sector, out Geometry geometry)) return $"the superblock speaks of {geometry.AgCount} groups of {geometry.AgBlocks} blocks, more than can be checked";
            using OverlayDevice? longer = device.Length < geometry.DeviceBytes ? new(device) : null;
            longer?.SetLength(geometry.DeviceBytes);
            LogView log = LogView.Open(longer ?? device, device, geometry, findings, budget);
            using BlockDevice? replayed = ReferenceEquals(log.Device, device) ? null : log.Device;
            WasDirty = log.WasDirty;
            geometry = log.Geometry;
            // The log may have changed the superblock: its counters always, its size after a growth.
            if (WasDirty && source == 0)
            {
                log.Device.Read(0, sector);
                if (SuperblockVerifier.VerifyLayout(sector) is Fault fault)
                    return $"the log turns the superblock into one that makes no sense ({fault})";
                if (!TryLayOut(sector, out geometry)) return $"the log makes the superblock speak of {geometry.AgCount} groups, more than can be checked";
            }
            Scan scan = _scan = new Scan(log.Device, geometry, log.Head, findings, cancellation, budget) { WasDirty = WasDirty, PresentBytes = device.Length };
            long stated = (long)Superblock.At((ReadOnlySpan<byte>)sector).DataBlocks.Value << geometry.BlockLog;
            if (device.Length < stated)
            {
                scan.Report(FindingCodes.DeviceShort, default, device.Length, stated, WhatIsMissing(Superblock.At((ReadOnlySpan<byte>)sector), device.Length));
                scan.IsPartial = true;
            }
            if (geometry.Superblock.RealtimeBlocks != 0) scan.Report(FindingCodes.RealtimeUnchecked, default);
            TreeWalker walker = new(scan);
            GroupHeaders headers = new(scan);
            SuperblockCheck superblocks = new(scan, sector, source);
            superblocks.CheckFields();

            ChunkScan chunks = new(scan, walker, headers);
            ForEachGroup("group headers and inode btrees", ag =>
            {
                if (!headers.Load(ag))
                {
                    chunks.Miss(ag);
                    return;
                }
                superblocks.CheckCopy(ag, headers.Superblock);
                chunks.Observe(ag);
            });

            ParentTable? parents = geometry.HasParentPointers ? new() : null;
            InodeScan inodes = _inodes = new InodeScan(scan, new ForkScan(scan, walker), parents);
            ObserveInodes(inodes, parents);

            NameScan names = _names = new NameScan(scan, inodes, new ForkScan(scan, walker), parents);
            ObserveNames(names, inodes, parents);

            new UnlinkedCheck(scan, inodes).Check(chunks.UnlinkedHeads);
            new LinkCompare(scan, inodes).Compare();
            if (parents is not null) new ParentCompare(scan, parents, kept => LinkReader.Observe(log.Device, geometry, log.Head, budget, kept, p => progress?.Report(p), cancellation)).Compare();

            GroupCompare groups = new(scan, walker, headers);
            CompareGroups(groups);
            superblocks.CheckCounters(chunks, groups, inodes);
            new PathFinder(scan, inodes, new ForkScan(scan, walker)).NameFindings(findings);
            return null;
        }

        private void ObserveInodes(InodeScan inodes, ParentTable? parents)
        {
            const int chunksOfUnit = 32, inodesOfPart = 8, manyChunks = 256;
            const ulong manyBlocks = 1 << 20;
            Scan scan = _scan!;
            PackedList<(uint Ag, int Chunk, int Part)> units = new();
            for (uint ag = 0; ag < scan.Geometry.AgCount; ag++)
                for (int first = 0; first < scan.Inodes.Chunks(new AgNumber(ag)).Length; first += chunksOfUnit) units.Add((ag, first, -1));
            bool isLarge = units.Count * chunksOfUnit >= manyChunks;
            Superblock sb = scan.Geometry.Superblock;
            // A few inodes may have many extents, and each be worth a worker.
            if (!isLarge && (workers > 0 || sb.DataBlocks - sb.FreeDataBlocks >= manyBlocks))
            {
                isLarge = true;
                units.Clear();
                for (uint ag = 0; ag < scan.Geometry.AgCount; ag++)
                    for (int chunk = 0; chunk < scan.Inodes.Chunks(new AgNumber(ag)).Length; chunk++)
                        for (int part = 0; part < InodeChunkRecord.InodesPerChunk; part += inodesOfPart) units.Add((ag, chunk, part));
            }
            CrewFor(isLarge).Run("inodes", units.Count,
                worker => new InodeScan(worker, new ForkScan(worker, new TreeWalker(worker)), parents),
                (worker, unit) =>
                {
                    (uint ag, int chunk, int part) = units[unit];
                    if (part < 0) worker.Observe(new AgNumber(ag), chunk, chunksOfUnit);
                    else worker.ObservePart(new AgNumber(ag), chunk, part, inodesOfPart);
                }, inodes.Absorb);
            inodes.Arrange();
        }

        private void ObserveNames(NameScan names, InodeScan inodes, ParentTable? parents)
        {
            const int enough = 1024;
            int directoriesOfUnit = workers > 0 ? 1 : 64;
            int units = (inodes.Directories.Count + directoriesOfUnit - 1) / directoriesOfUnit;
            CrewFor(inodes.Directories.Count >= enough).Run("directories", units,
                worker => new NameScan(worker, inodes, new ForkScan(worker, new TreeWalker(worker)), parents),
                (worker, unit) => worker.Observe(unit * directoriesOfUnit, directoriesOfUnit),
                names.Absorb);
            names.CheckRoot();
        }

        private void CompareGroups(GroupCompare groups)
        {
            const long enough = 100_000;
            Scan scan = _scan!;
            long most = scan.Claims.Most;
            CrewFor(most >= enough, budget.Comparisons(most * ClaimTable.BytesToCompare)).Run("free space, reverse maps and refcounts", (int)scan.Geometry.AgCount,
                worker => new GroupCompare(worker, new TreeWalker(worker), new GroupHeaders(worker)),
                (worker, unit) => worker.Compare(new AgNumber((uint)unit)),
                groups.Absorb);
        }

        /// <param name="isWorthIt">There is so much to do that several workers are done earlier.</param>
        /// <param name="most">There is room for no more.</param>
        private Crew CrewFor(bool isWorthIt, int most = int.MaxValue)
        {
            int count = workers > 0 ? workers : isWorthIt ? Environment.ProcessorCount : 1;
            // What lies in an overlay is read by one at a time, and where the end is missing what is said depends on what was met before.
            return new Crew(_scan!, WasDirty || _scan!.IsShort ? 1 : Math.Min(count, most), progress);
        }

        /// <summary>Lays out the groups. Those a hostile superblock promises far behind the end of the device are left out: each would cost memory.</summary>
        private bool TryLayOut(byte[] sector, out Geometry geometry)
        {
            const uint slack = 1024, most = 1 << 22;
            geometry = new Geometry(Superblock.At((ReadOnlySpan<byte>)sector));
            ulong bytesOfGroup = (ulong)geometry.AgBlocks << geometry.BlockLog, present = Math.Max(1, (ulong)device.Length / bytesOfGroup);
            if (geometry.AgCount > present + slack)
            {
                Superblock cut = geometry.Superblock;
                cut.AgCount = (uint)present;
                cut.DataBlocks = present * geometry.AgBlocks;
                geometry = new Geometry(cut);
            }
            return geometry.AgCount <= most;
        }

        private static string WhatIsMissing(in Superblock sb, long length)
        {
            long bytesOfGroup = (long)sb.AgBlocks << sb.BlockLog, inside = length / bytesOfGroup, first = (length + bytesOfGroup - 1) / bytesOfGroup, last = sb.AgCount - 1;
            List<string> parts = [];
            if (inside < first) parts.Add($"the end of group {inside}");
            if (first <= last) parts.Add(first == last ? $"group {last}" : $"groups {first} to {last}");
            return string.Join(" and ", parts) + (parts.Count == 1 && first >= last ? " is missing" : " are missing");
        }

        private void ForEachGroup(string phase, Action<AgNumber> action)
        {
            uint count = _scan!.Geometry.AgCount;
            for (uint ag = 0; ag < count; ag++)
            {
                cancellation.ThrowIfCancellationRequested();
                progress?.Report(new FsckProgress(phase, ag, count));
                action(new AgNumber(ag));
            }
        }
    }
}
