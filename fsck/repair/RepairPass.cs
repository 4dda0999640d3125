using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>
/// One pass over the repaired view: observes layer by layer as the check does and stops to repair at the first layer that
/// needs it, because what is observed above a damaged layer is not worth much.
/// </summary>
/// <remarks>
/// <code>
///   inode chunks  ->  inodes and forks  ->  space of the groups  ->  names, attributes, links  ->  counters
/// </code>
/// Whoever repaired something ends the pass; the next one begins at the bottom again and goes one layer further.
/// </remarks>
internal sealed class RepairPass
{
    private readonly RepairView _view;
    private readonly Scan _scan;
    private readonly CancellationToken _cancellation;
    private readonly TreeWalker _walker;
    private readonly GroupHeaders _headers;
    private readonly SuperblockRepair _superblocks;
    private readonly SuperblockCheck _superblockCheck;
    private readonly Action<FsckProgress> _progress;
    private readonly Attempts _attempts;
    /// <summary>Of one inode, with how often it was tried.</summary>
    private const long BytesOfDamage = 160;

    /// <param name="attempts">What the passes before tried; this one adds to it.</param>
    /// <param name="trustReverseMap">Let the reverse map and the free space together correct a fork.</param>
    public RepairPass(RepairView view, MemoryBudget budget, SuperblockRepair superblocks, Attempts attempts, bool trustReverseMap, Action<FsckProgress> progress, CancellationToken cancellation)
    {
        TrustsReverseMap = trustReverseMap;
        (_view, _superblocks, _attempts, _progress, _cancellation) = (view, superblocks, attempts, progress, cancellation);
        Geometry g = view.Geometry;
        _scan = new Scan(view.Device, g, view.Head, new FindingList(0, 0) { Observer = Damage.Take }, cancellation, budget);
        _walker = new TreeWalker(_scan);
        _headers = new GroupHeaders(_scan);
        _superblockCheck = new SuperblockCheck(_scan, view.Read(0, g.SectorSize), 0);
    }

    /// <summary>What was found before the pass ended.</summary>
    public Damage Damage { get; } = new();

    /// <summary>False once the reverse map could not help: then the inodes have the last word.</summary>
    public bool TrustsReverseMap { get; private set; }

    /// <summary>Runs the pass.</summary>
    /// <returns>True if something was repaired, so that another pass is due.</returns>
    public bool Run()
    {
        _superblockCheck.CheckFields();
        ChunkScan chunks = new(_scan, _walker, _headers);
        ForEachGroup("group headers and inode btrees", ag =>
        {
            if (!_headers.Load(ag)) return;
            _superblockCheck.CheckCopy(ag, _headers.Superblock);
            chunks.Observe(ag);
            // So far nothing but the AGI and the inode btrees was looked at. If something is wrong with them, the blocks know
            // better which inodes there are.
            if (Damage.Groups.Contains(ag.Value)) FindChunks(ag);
        });
        if (RepairCopies()) return true;

        ParentTable? parents = _scan.Geometry.HasParentPointers ? new() : null;
        InodeScan inodes = new(_scan, new ForkScan(_scan, _walker), parents);
        ForEachGroup("inodes", inodes.Observe);
        if (MoveLogAhead()) return true;
        _superblocks.LimitLsn();
        if (RepairInodes(InodeDamage.Core | InodeDamage.Fork | InodeDamage.Mode)) return true;

        if (RebuildGroups(out GroupCompare groups)) return true;
        // What comes now takes space, and who knows whose it is.
        if (_attempts.HasLostGroup) return false;
        if (RepairInodes(InodeDamage.Shares)) return true;
        HashSet<ulong> quotas = [.. Damage.Inodes.Where(i => (i.Value & InodeDamage.Quota) != 0 && _attempts.Begin(InodeDamage.Quota, i.Key)).Select(i => i.Key)];
        if (quotas.Count > 0)
        {
            new QuotaRepair(_view, _scan).Mend(quotas);
            return true;
        }

        ForkScan again = new(_scan, _walker);
        NameScan nameScan = new(_scan, inodes, again, parents);
        nameScan.Observe(_progress);
        foreach (ulong directory in nameScan.SecondParents) Damage.AddDirectory(directory);
        new UnlinkedCheck(_scan, inodes).Check(chunks.UnlinkedHeads);
        new LinkCompare(_scan, inodes).Compare();
        if ((Damage.RootInode || Damage.Superblock) && _attempts.Begin(Remedy.FixInode) && new SpecialInodes(_view, _superblocks, _scan, inodes).Repair(Damage)) return true;
        NameRepair names = new(_view, _scan, inodes, Damage, _attempts, again);
        if (names.Run()) return true;
        if (parents is not null && names.FixParents(Differences(parents))) return true;
        _superblockCheck.CheckCounters(chunks, groups, inodes);
        if (Damage.Superblock && _attempts.Begin(Remedy.RestoreSuperblock))
        {
            _superblocks.SetCounters(chunks.Inodes, chunks.FreeInodes, groups.FreeBlocks, inodes.HasAttributes);
            return true;
        }
        return false;
    }

    /// <summary>Inodes whose parent pointers are not what the directories say.</summary>
    private IEnumerable<ParentDifference> Differences(ParentTable parents)
    {
        const int mostInodes = 1 << 20;
        Geometry g = _scan.Geometry;
        return new ParentCompare(_scan, parents, kept => LinkReader.Observe(_view.Device, g, _view.Head, _scan.Budget, kept, _progress, _cancellation)).Differences(mostInodes, int.MaxValue);
    }

    /// <summary>Many blocks from the future mean that the log is from the past: it begins anew in a cycle ahead of them all.</summary>
    private bool MoveLogAhead()
    {
        const int few = 4;
        const uint absurd = 1 << 30;
        if (Damage.AheadOfLog <= few || _scan.BeyondLog.Cycle > absurd || !_attempts.Begin(Remedy.ReplayLog)) return false;
        new LogRepair(_view).Reset(_scan.BeyondLog.Cycle);
        return true;
    }

    private void FindChunks(AgNumber ag)
    {
        long tables = _scan.Budget.Tables;
        List<InodeChunk> found = new ChunkSalvage(_view, _scan.Budget, _cancellation).Find(ag);
        _scan.Budget.Release(tables);
        _scan.Claims.ForgetChunks(ag);
        foreach (InodeChunk chunk in found)
            for (int i = 0; i < InodeChunkRecord.InodesPerChunk; i += Math.Min(_scan.Geometry.InodesPerBlock, InodeChunkRecord.InodesPerChunk))
                if (!chunk.IsHole(i)) Claim(ag, (chunk.Start + (uint)i) >> _scan.Geometry.InodesPerBlockLog);
        _scan.Inodes.ReplaceChunks(ag, found);
    }

    private (AgNumber Ag, uint Block) _lastClaim = (AgNumber.Null, 0);

    private void Claim(AgNumber ag, uint block)
    {
        if (_lastClaim == (ag, block)) return;
        _lastClaim = (ag, block);
        _scan.Claims.AddBlocks(ag, block, 1, RmapOwner.Inodes);
    }

    /// <summary>Repairs the inodes that have some kind of damage.</summary>
    private bool RepairInodes(InodeDamage which)
    {
        (ulong Number, InodeDamage Damage)[] damaged = [.. Damage.Inodes.Where(i => (i.Value & which) != 0 && _attempts.Begin(which, i.Key)).Select(i => (i.Key, i.Value))];
        if (damaged.Length == 0) return false;
        _scan.Budget.Require(Damage.Inodes.Count * BytesOfDamage);
        HashSet<ulong> forks = [.. damaged.Where(d => (d.Damage & InodeDamage.Fork) != 0).Select(d => d.Number)];
        // Of an inode that is gone others may still know; of a tree with a hole in it, its other blocks.
        HashSet<ulong> asked = [.. forks, .. damaged.Select(d => d.Number).Where(IsLost)];
        long tables = _scan.Budget.Tables;
        RmapIndex rmaps = new(_view, asked, _scan.Budget, _cancellation);
        SpacePool pool = new(_view, _scan);
        OwnedBlocks owned = new(_view, _scan, asked);
        InodeRepair repair = new(_view, rmaps, pool, owned, new LostInodes(_view, _scan, rmaps, owned, new ForkWriter(_view, pool)));
        bool any = false;
        foreach ((ulong number, InodeDamage damage) in damaged)
        {
            _cancellation.ThrowIfCancellationRequested();
            any |= repair.Repair(number, damage, IsUsed(number));
        }
        _scan.Budget.Release(tables);
        return any;
    }

    private bool IsLost(ulong number) => LostInodes.IsLost(_view.Read(_view.OffsetOf(new InodeNumber(number)), _scan.Geometry.InodeSize), number, _scan.Geometry);

    /// <summary>True if the inode btree says that an inode is in use.</summary>
    private bool IsUsed(ulong number)
    {
        Geometry g = _scan.Geometry;
        ReadOnlySpan<InodeChunk> chunks = _scan.Inodes.Chunks(g.AgOf(new InodeNumber(number)));
        uint inside = g.InodeInAg(new InodeNumber(number)).Value;
        int index = InodeTable.Search(chunks, inside);
        return index >= 0 && !chunks[index].IsFree((int)(inside - chunks[index].Start));
    }

    private bool RepairCopies()
    {
        uint[] copies = [.. Damage.Copies.Where(ag => _attempts.Begin(Remedy.RestoreSuperblock, ag))];
        foreach (uint ag in copies) _superblocks.WriteCopy(new AgNumber(ag));
        return copies.Length > 0;
    }

    /// <summary>Compares each group with the claims on it and writes those anew that differ.</summary>
    private bool RebuildGroups(out GroupCompare groups)
    {
        GroupCompare compare = groups = new(_scan, _walker, _headers);
        GroupRebuild rebuild = new(_view, _scan);
        ClaimResolver conflicts = new(_view, _scan);
        bool any = false;
        ForEachGroup("free space, reverse maps and refcounts", ag =>
        {
            compare.Compare(ag);
            if (!Damage.Groups.Contains(ag.Value) || !_attempts.Begin(Remedy.RebuildGroupHeaders, ag.Value)) return;
            // First it must be clear whose the blocks are.
            if (conflicts.Find(ag, compare.Claims.Span) || TrustsReverseMap && Damage.Misplaced.Count > 0) return;
            _view.Purpose = Remedy.RebuildGroupHeaders;
            if (rebuild.Rebuild(ag, compare.Claims) is string problem) _attempts.GiveUp(ag, problem);
            else any = true;
        });
        if (TrustsReverseMap && (Damage.Misplaced.Count > 0 || conflicts.Any))
        {
            HashSet<ulong> suspects = [.. Damage.Misplaced, .. conflicts.Inodes];
            TrustsReverseMap = TrustReverseMap(suspects);
            return true;
        }
        return conflicts.Any && conflicts.Resolve() || any;
    }

    /// <summary>Where the reverse map knows of a fork of just the size the inode has, and other blocks, two trees stand against one inode.</summary>
    private bool TrustReverseMap(IReadOnlySet<ulong> inodes)
    {
        if (!_scan.Geometry.HasRmapbt) return false;
        long tables = _scan.Budget.Tables;
        RmapIndex rmaps = new(_view, inodes, _scan.Budget, _cancellation);
        bool any = false;
        if (rmaps.IsComplete)
        {
            InodeRepair repair = new(_view, rmaps, new SpacePool(_view, _scan));
            foreach (ulong number in inodes)
                if (rmaps.KnowsAnother(_view, number)) any |= repair.Repair(number, InodeDamage.Fork, isUsed: true);
        }
        _scan.Budget.Release(tables);
        return any;
    }

    private void ForEachGroup(string phase, Action<AgNumber> action)
    {
        uint count = _scan.Geometry.AgCount;
        for (uint ag = 0; ag < count; ag++)
        {
            _cancellation.ThrowIfCancellationRequested();
            _progress(new FsckProgress(phase, ag, count));
            action(new AgNumber(ag));
        }
    }
}
