namespace ImageFs.Tests.Simulation;

/// <summary>The judge is judged: trees it must accept and trees it must not.</summary>
[TestClass]
public sealed class ModelTests
{
    private const int Block = 4096;

    [TestMethod]
    public void OnlyAPrefixOfTheOperationsIsAccepted()
    {
        Model model = Made(new CreateFile("a"), new WriteFile("a", 0, 100, 2), new CreateFile("b"), new Rename("b", "c"));
        Assert.AreEqual(2, Find(model, 0, 4, Tree(model, 2)));
        Assert.AreEqual(4, Find(model, 0, 4, Tree(model, 4)));
        Dictionary<string, ObservedEntry> tree = Tree(model, 4);
        tree.Remove("a");
        Assert.AreEqual(-1, Find(model, 0, 4, tree), "the rename without what came before it");
    }

    [TestMethod]
    public void WhatWasFlushedMustBeThere()
    {
        Model model = Made(new CreateFile("a"), new WriteFile("a", 0, 100, 2), new CreateFile("b"));
        Assert.AreEqual(2, Find(model, 2, 3, Tree(model, 2)));
        Assert.AreEqual(-1, Find(model, 3, 3, Tree(model, 2)));
    }

    [TestMethod]
    public void WhatHadNotBegunMustNotBeThere()
    {
        Model model = Made(new CreateFile("a"), new CreateFile("b"));
        Assert.AreEqual(-1, Find(model, 0, 1, Tree(model, 2)));
    }

    [TestMethod]
    public void AnOverwriteInPlaceMayBeThereSectorBySector()
    {
        Model model = Made(new CreateFile("a"), new WriteFile("a", 0, Block, 2), new WriteFile("a", 0, Block, 3));
        Dictionary<string, ObservedEntry> tree = Tree(model, 2);
        byte[] mixed = tree["a"].Content;
        Pattern.Fill(3, 512, 1024).CopyTo(mixed, 512);
        Assert.AreEqual(2, Find(model, 2, 3, tree));
        mixed[600]++;
        Assert.AreEqual(-1, Find(model, 2, 3, tree), "half a sector");
        mixed[600]--;
        Assert.AreEqual(-1, Find(model, 2, 2, tree), "before it began");
        Assert.AreEqual(-1, Find(model, 3, 3, tree), "after it was flushed");
    }

    [TestMethod]
    public void AWriteToASharedBlockShowsInNoOtherFile()
    {
        Model model = Made(new CreateFile("a"), new WriteFile("a", 0, Block, 2), new CreateFile("b"), new CloneRange("a", 0, "b", 0, Block),
            new WriteFile("b", 0, 512, 5), new WriteFile("a", 0, 512, 6));
        Dictionary<string, ObservedEntry> tree = Tree(model, 4);
        Pattern.Fill(5, 0, 512).CopyTo(tree["a"].Content, 0);
        Assert.AreEqual(-1, Find(model, 4, 6, tree), "b's bytes in a");
        tree = Tree(model, 4);
        Pattern.Fill(6, 0, 512).CopyTo(tree["a"].Content, 0);
        Assert.AreEqual(6, Find(model, 4, 6, Tree(model, 6)));
        Assert.AreEqual(5, Find(model, 4, 6, Tree(model, 5)));
        // a's write went to a block of its own in the model only because b had left the shared one: in place then.
        tree = Tree(model, 5);
        Pattern.Fill(6, 0, 512).CopyTo(tree["a"].Content, 0);
        Assert.AreEqual(6, Find(model, 5, 6, tree));
    }

    [TestMethod]
    public void BytesOfAnotherOwnerAreNotAllowedInABlockThatChangedHands()
    {
        Model model = Made(new CreateFile("a"), new WriteFile("a", 0, Block, 2), new CreateFile("b"),
            new CloneRange("a", 0, "b", 0, Block), new Unlink("a"), new WriteFile("b", 0, 512, 6));
        Dictionary<string, ObservedEntry> tree = Tree(model, 3);
        Pattern.Fill(6, 0, 512).CopyTo(tree["a"].Content, 0);
        Assert.AreEqual(-1, Find(model, 3, 6, tree));
    }

    [TestMethod]
    public void APartOfALongOperationIsAcceptedInItsOwnFileOnly()
    {
        Model model = Made(new CreateFile("a"), new CreateFile("b"), new WriteFile("a", 0, 2 * Block, 3));
        Dictionary<string, ObservedEntry> tree = Tree(model, 2);
        tree["a"] = tree["a"] with { Size = Block, Content = Pattern.Fill(3, 0, Block) };
        Assert.AreEqual(2, Find(model, 2, 3, tree));
        tree["b"] = tree["a"];
        Assert.AreEqual(-1, Find(model, 2, 3, tree));
    }

    [TestMethod]
    public void ATruncatedTailIsOldOrGoneAndNeverZeroed()
    {
        Model model = Made(new CreateFile("a"), new WriteFile("a", 0, Block, 2), new SetLength("a", 1000));
        Dictionary<string, ObservedEntry> tree = Tree(model, 2);
        tree["a"].Content.AsSpan(1024).Clear();
        Assert.AreEqual(-1, Find(model, 2, 3, tree));
        Assert.AreEqual(3, Find(model, 2, 3, Tree(model, 3)));
    }

    [TestMethod]
    public void HolesReadAsZeros()
    {
        Model model = Made(new CreateFile("a"), new WriteFile("a", 3 * Block, 10, 2), new SetLength("a", 5 * Block));
        Dictionary<string, ObservedEntry> tree = Tree(model, 3);
        Assert.AreEqual(5 * Block, tree["a"].Size);
        Assert.AreEqual(3, Find(model, 3, 3, tree));
        tree["a"].Content[4 * Block + 7] = 1;
        Assert.AreEqual(-1, Find(model, 3, 3, tree));
    }

    [TestMethod]
    public void LinksAreCounted()
    {
        Model model = Made(new CreateFile("a"), new HardLink("a", "b"), new MakeDirectory("d"), new Rename("b", "d/b"));
        Dictionary<string, ObservedEntry> tree = Tree(model, 4);
        Assert.AreEqual(2u, tree["d/b"].Links);
        tree["a"] = tree["a"] with { Links = 1 };
        Assert.AreEqual(-1, Find(model, 0, 4, tree));
    }

    [TestMethod]
    public void ARestartedModelGoesOnFromWhatWasFound()
    {
        Model model = Made(new CreateFile("a"), new WriteFile("a", 0, Block, 2), new CreateFile("b"), new CloneRange("a", 0, "b", 0, Block),
            new OpenFile("a", 1), new Unlink("a"), new WriteFile("b", 0, 512, 7));
        Model next = model.Restart(7, Tree(model, 7));
        Assert.AreEqual(0, Find(next, 0, 0, Tree(model, 7)));
        Assert.IsEmpty(next.Handles);
        new WriteFile("b", 0, 512, 9).Do(next);
        next.Commit();
        Assert.AreEqual(1, Find(next, 0, 1, Tree(next, 1)));
    }

    [TestMethod]
    public void WorkloadsOfOneSeedAreTheSameAndReachEveryKindOfOperation()
    {
        HashSet<Type> seen = [];
        foreach (string name in Workload.Names)
            for (int seed = 0; seed < 20; seed++)
            {
                (Model first, Model second) = (new Model(Block), new Model(Block));
                (Workload one, Workload other) = (new Workload(name, seed, Block), new Workload(name, seed, Block));
                for (int i = 0; i < 100; i++)
                {
                    WorkOperation operation = one.Next(first);
                    Assert.AreEqual(operation.ToString(), other.Next(second).ToString());
                    seen.Add(operation.GetType());
                    foreach (Model model in new[] { first, second })
                    {
                        operation.Do(model);
                        model.Commit();
                    }
                }
            }
        Type[] kinds = [.. typeof(WorkOperation).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(WorkOperation)))];
        CollectionAssert.AreEquivalent(kinds, seen.ToArray());
    }

    private static Model Made(params WorkOperation[] operations)
    {
        Model model = new(Block);
        foreach (WorkOperation operation in operations)
        {
            operation.Do(model);
            model.Commit();
            s_history.GetValue(model, _ => []).Add(operation);
        }
        return model;
    }

    private static readonly System.Runtime.CompilerServices.ConditionalWeakTable<Model, List<WorkOperation>> s_history = [];

    private static int Find(Model model, int flushed, int begun, Dictionary<string, ObservedEntry> tree) =>
        new ModelMatch(model, flushed, begun, n => s_history.GetValue(model, _ => [])[n - 1].Gradual()).Find(tree, out _, out _);

    /// <summary>The tree after some operations, as a perfect file system shows it.</summary>
    private static Dictionary<string, ObservedEntry> Tree(Model model, int operations)
    {
        // A model of the first operations only shows what the blocks held then.
        List<WorkOperation> history = s_history.GetValue(model, _ => []);
        Model then = history.Count == 0 ? model : Made([.. history.Take(operations)]);
        ModelState state = then.Now;
        return state.Paths().ToDictionary(p => p.Path, p =>
        {
            ModelNode node = state.Nodes[p.Inode];
            byte[] content = node switch
            {
                ModelFile => then.Read(p.Inode),
                ModelSymlink link => System.Text.Encoding.UTF8.GetBytes(link.Target),
                ModelDevice device => System.Text.Encoding.UTF8.GetBytes(device.Numbers),
                _ => [],
            };
            return new ObservedEntry(node.Kind, content.Length, (uint)state.LinksOf(p.Inode), content) { Mode = node.Mode, Attributes = node.Attributes };
        });
    }
}
