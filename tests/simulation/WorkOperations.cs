using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Simulation;

/// <summary>One step of a workload, done to a file system and to the model of it.</summary>
internal abstract record WorkOperation
{
    public abstract void Do(IWorkTree tree);

    public abstract void Do(Model model);

    /// <summary>The path that shows the operation step by step, or null if it is one transaction.</summary>
    public virtual string? Gradual() => null;

    /// <summary>True if everything before it, and itself, is durable when it returns.</summary>
    public virtual bool Flushes() => false;

    /// <summary>What is left to do to the model if there was no room: nothing, for operations that happen as a whole.</summary>
    public virtual void LackSpace(IWorkTree tree, Model model) { }
}

internal sealed record CreateFile(string Path) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.CreateFile(Path);

    public override void Do(Model model) => model.Create(Path, ModelFile.Empty);
}

internal sealed record MakeDirectory(string Path) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.CreateDirectory(Path);

    public override void Do(Model model) => model.Create(Path, ModelDirectory.Empty);
}

internal sealed record MakeSymlink(string Path, string Target) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.CreateSymlink(Path, Target);

    public override void Do(Model model) => model.Create(Path, new ModelSymlink(Target));
}

/// <summary>Writes a piece of a pattern.</summary>
internal sealed record WriteFile(string Path, long Offset, int Length, int Seed) : WorkOperation
{
    private byte[] Data => Pattern.Fill(Seed, Offset, Length);

    public override string? Gradual() => Path;

    public override void Do(IWorkTree tree) => tree.Write(Path, Offset, Data);

    public override void Do(Model model) => model.Write(model.Now.Find(Path), Offset, Data);

    // The part before the shortage has been written, the rest is as it was.
    public override void LackSpace(IWorkTree tree, Model model)
    {
        int inode = model.Now.Find(Path);
        byte[] now = tree.ReadAll(Path);
        int written = now.AsSpan((int)Math.Min(Offset, now.Length)).CommonPrefixLength(Data);
        if (written > 0)
            model.Write(inode, Offset, Data.AsSpan(0, written));
        if (!model.Read(inode).AsSpan().SequenceEqual(now))
            throw new AssertFailedException($"{this}: lacking space it left more than a first part of itself");
    }
}

/// <summary>Writes what another file holds: bytes that can be deduplicated later.</summary>
internal sealed record CopyBytes(string From, string Path, long Offset, int Length) : WorkOperation
{
    public override string? Gradual() => Path;

    public override void Do(IWorkTree tree) => tree.Write(Path, Offset, tree.Read(From, Offset, Length));

    public override void Do(Model model) =>
        model.Write(model.Now.Find(Path), Offset, model.Read(model.Now.Find(From)).AsSpan((int)Offset, Length));
}

internal sealed record SetLength(string Path, long Length) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.SetLength(Path, Length);

    public override void Do(Model model) => model.SetSize(model.Now.Find(Path), Length);
}

internal sealed record Rename(string From, string To) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.Rename(From, To, RenameMode.Replace);

    public override void Do(Model model) => model.Rename(From, To);
}

/// <summary>A rename that must not replace anything.</summary>
internal sealed record MoveToNewName(string From, string To) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.Rename(From, To, RenameMode.NoReplace);

    public override void Do(Model model) => model.Rename(From, To);
}

/// <summary>A rename that leaves a character device 0:0 behind.</summary>
internal sealed record RenameLeavingWhiteout(string From, string To) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.Rename(From, To, RenameMode.Whiteout);

    public override void Do(Model model)
    {
        // Two names of one file: nothing happens.
        if (model.Now.TryFind(To, out int there) && there == model.Now.Find(From))
            return;
        model.Rename(From, To);
        model.Create(From, new ModelDevice('c', "0:0") { Mode = 0 });
    }
}

internal sealed record MakeNode(string Path, char Kind, uint Major, uint Minor) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.CreateNode(Path, Kind, Major, Minor);

    public override void Do(Model model) => model.Create(Path, new ModelDevice(Kind, $"{Major}:{Minor}"));
}

internal sealed record SetMode(string Path, int Mode) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.SetMode(Path, Mode);

    public override void Do(Model model) => model.Change(Path, node => node with { Mode = Mode });
}

/// <summary>Makes an attribute, or gives it another value, of any size: one of the two is there, never anything else.</summary>
internal sealed record SetAttribute(string Path, string Name, int Length, int Seed) : WorkOperation
{
    private byte[] Value => Pattern.Fill(Seed, 0, Length);

    public override void Do(IWorkTree tree) => tree.SetAttribute(Path, Name, Value);

    public override void Do(Model model) => model.Change(Path, node => node with { Attributes = node.Attributes.SetItem(Name, TreeListing.Digest(Value)) });
}

internal sealed record RemoveAttribute(string Path, string Name) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.RemoveAttribute(Path, Name);

    public override void Do(Model model) => model.Change(Path, node => node with { Attributes = node.Attributes.Remove(Name) });
}

internal sealed record ExchangeNames(string One, string Other) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.Rename(One, Other, RenameMode.Exchange);

    public override void Do(Model model) => model.Exchange(One, Other);
}

internal sealed record Unlink(string Path) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.Unlink(Path);

    public override void Do(Model model) => model.Unlink(Path);
}

internal sealed record RemoveDirectory(string Path) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.RemoveDirectory(Path);

    public override void Do(Model model) => model.Unlink(Path);
}

internal sealed record HardLink(string Path, string NewPath) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.Link(Path, NewPath);

    public override void Do(Model model) => model.Link(NewPath, model.Now.Find(Path));
}

internal sealed record CloneRange(string From, long FromOffset, string Path, long Offset, long Length) : WorkOperation
{
    public override string? Gradual() => Path;

    public override void Do(IWorkTree tree) => tree.Clone(From, FromOffset, Path, Offset, Length);

    public override void Do(Model model) =>
        model.Share(model.Now.Find(From), FromOffset, model.Now.Find(Path), Offset, Length, grow: true);
}

internal sealed record Dedupe(string From, long FromOffset, string Path, long Offset, long Length) : WorkOperation
{
    private bool? _same;

    public override void Do(IWorkTree tree) => _same = tree.Dedupe(From, FromOffset, Path, Offset, Length);

    public override void Do(Model model)
    {
        int from = model.Now.Find(From), to = model.Now.Find(Path);
        bool same = model.Read(from).AsSpan((int)FromOffset, (int)Length).SequenceEqual(model.Read(to).AsSpan((int)Offset, (int)Length));
        if (_same is bool said && said != same)
            throw new AssertFailedException($"{this}: the ranges are {(same ? "equal" : "different")}, the file system says otherwise");
        if (same)
            model.Share(from, FromOffset, to, Offset, Length, grow: false);
    }
}

/// <summary>One of the fallocate family, on a range of a file.</summary>
internal sealed record Fallocate(string Path, FallocateMode Mode, long Offset, long Length) : WorkOperation
{
    // Those that move extents happen as a whole, and are durable when they return; the others are a few extents at a time.
    private bool Shifts => Mode is FallocateMode.InsertRange or FallocateMode.CollapseRange;

    public override string? Gradual() => Shifts ? null : Path;

    public override bool Flushes() => Shifts;

    public override void Do(IWorkTree tree) => tree.Fallocate(Path, Mode, Offset, Length);

    public override void Do(Model model)
    {
        int inode = model.Now.Find(Path);
        switch (Mode & ~FallocateMode.KeepSize)
        {
            case FallocateMode.InsertRange: model.Insert(inode, Offset, Length); return;
            case FallocateMode.CollapseRange: model.Collapse(inode, Offset, Length); return;
            case FallocateMode.PunchHole or FallocateMode.ZeroRange: model.Punch(inode, Offset, Length); break;
            case FallocateMode.UnshareRange: model.Unshare(inode, Offset, Length); break;
        }
        if ((Mode & FallocateMode.KeepSize) == 0 && Offset + Length > ((ModelFile)model.Now.Nodes[inode]).Size) model.SetSize(inode, Offset + Length);
    }
}

/// <summary>Exchanges ranges of two files, or all there is of them.</summary>
/// <param name="Length">Null to the ends, sizes included.</param>
internal sealed record ExchangeRange(string One, long OneOffset, string Other, long OtherOffset, long? Length) : WorkOperation
{
    public override bool Flushes() => true;

    public override void Do(IWorkTree tree) => tree.ExchangeRange(One, OneOffset, Other, OtherOffset, Length);

    public override void Do(Model model) => model.ExchangeRange(model.Now.Find(One), OneOffset, model.Now.Find(Other), OtherOffset, Length);
}

internal sealed record OpenFile(string Path, int Handle) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.Open(Handle, Path);

    public override void Do(Model model) => model.Open(Handle, Path);
}

/// <summary>Writes through an open file, which may have no name any more.</summary>
internal sealed record WriteHandle(int Handle, string? Path, long Offset, int Length, int Seed) : WorkOperation
{
    private byte[] Data => Pattern.Fill(Seed, Offset, Length);

    public override string? Gradual() => Path;

    public override void Do(IWorkTree tree) => tree.Write(Handle, Offset, Data);

    public override void Do(Model model) => model.Write(model.Handles[Handle], Offset, Data);
}

internal sealed record CloseFile(int Handle) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.Close(Handle);

    public override void Do(Model model) => model.Close(Handle);
}

/// <summary>Writes a piece that a power cut must not tear.</summary>
internal sealed record AtomicWriteFile(string Path, long Offset, int Length, int Seed) : WorkOperation
{
    private byte[] Data => Pattern.Fill(Seed, Offset, Length);

    public override void Do(IWorkTree tree) => tree.AtomicWrite(Path, Offset, Data);

    public override void Do(Model model) => model.Write(model.Now.Find(Path), Offset, Data, moves: true);
}

/// <summary>Several operations of which a power cut leaves all or none.</summary>
internal sealed record AtomicGroupOf(IReadOnlyList<WorkOperation> Parts) : WorkOperation
{
    public override void Do(IWorkTree tree) => tree.Atomically(() =>
    {
        foreach (WorkOperation part in Parts)
            part.Do(tree);
    });

    public override void Do(Model model)
    {
        model.InGroup = true;
        foreach (WorkOperation part in Parts)
            part.Do(model);
        model.InGroup = false;
    }

    public override string ToString() => $"atomically {{ {string.Join("; ", Parts)} }}";
}

/// <summary>A group that changes its mind after its last operation: everything must be as it was, in memory at once.</summary>
internal sealed record AbandonedGroupOf(IReadOnlyList<WorkOperation> Parts) : WorkOperation
{
    private sealed class ChangeOfMind : Exception;

    public override void Do(IWorkTree tree)
    {
        Dictionary<string, ObservedEntry> before = tree.Observe();
        try
        {
            tree.Atomically(() =>
            {
                foreach (WorkOperation part in Parts)
                    part.Do(tree);
                throw new ChangeOfMind();
            });
        }
        catch (ChangeOfMind)
        {
            if (CrashExplorer.Difference(before, tree.Observe()) is string difference)
                throw new AssertFailedException($"{this}: something is left of it: {difference}");
        }
    }

    public override void Do(Model model) { }

    public override string ToString() => $"begin {{ {string.Join("; ", Parts)} }} and take it back";
}

internal sealed record FlushAll : WorkOperation
{
    public override bool Flushes() => true;

    public override void Do(IWorkTree tree) => tree.Flush();

    public override void Do(Model model) { }
}

/// <summary>A flush after which everything the log knows is brought home, as when the log is half full.</summary>
internal sealed record PushTail : WorkOperation
{
    public override bool Flushes() => true;

    public override void Do(IWorkTree tree) => tree.PushTail();

    public override void Do(Model model) { }
}
