using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Interop;

/// <summary>
/// The kernel and the library take turns on one image that we made. After each turn the other side must see, byte for
/// byte and extent for extent, what the first one did, and xfs_repair -n must be silent.
/// </summary>
[TestClass]
public sealed class PingPongTests
{
    [TestMethod]
    [DataRow("512m", "", DisplayName = "defaults")]
    [DataRow("300m", "-b size=1024", DisplayName = "1 KiB blocks")]
    [DataRow("300m", "-b size=2048 -i size=1024", DisplayName = "2 KiB blocks, 1 KiB inodes")]
    [DataRow("16m", "", DisplayName = "16 MiB, one group")]
    [DataRow("64m", "-d agcount=4 -i size=2048", DisplayName = "four small groups, 2 KiB inodes")]
    [DataRow("400m", "-d agcount=23", DisplayName = "23 groups")]
    [DataRow("300m", "-m reflink=0", DisplayName = "no reflink")]
    [DataRow("300m", "-m rmapbt=0", DisplayName = "no rmapbt")]
    [DataRow("300m", "-m rmapbt=0,reflink=0", DisplayName = "neither rmapbt nor reflink")]
    [DataRow("300m", "-m rmapbt=0,reflink=0,finobt=0,inobtcount=0,bigtime=0 -i sparse=0,nrext64=0", DisplayName = "nothing optional")]
    [DataRow("300m", "-m bigtime=0 -i nrext64=0", DisplayName = "old times and counters")]
    [DataRow("300m", "-s size=4096", DisplayName = "4 KiB sectors")]
    [DataRow("300m", "-d su=64k,sw=4", DisplayName = "stripe unit")]
    [DataRow("300m", "-n size=16384", DisplayName = "16 KiB directory blocks")]
    [DataRow("300m", "-l su=256k", DisplayName = "log stripe unit of 256 KiB")]
    [DataRow("300m", "-b size=1024 -i size=512 -m rmapbt=0", DisplayName = "1 KiB blocks without rmapbt")]
    public void KernelAndLibraryTakeTurns(string size, string options)
    {
        Judge.RequireKernel();
        int seed = TestSettings.Seed;
        Console.WriteLine(TestSettings.Replay(nameof(KernelAndLibraryTakeTurns), seed));
        using TempImage image = TempImage.NotYetThere();
        StringWriter errors = new();
        int exit = MkfsProgram.Run(["-q", "--size", size, .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries), image.Path], TextWriter.Null, errors);
        Assert.AreEqual(0, exit, errors.ToString());
        TurnOptions turnOptions = TurnOptions.Of(image.Path) with { Small = size is "16m" or "64m" };
        int steps = size == "16m" ? 100 : 250 * TestSettings.Sweep;

        for (int turn = 0; turn < 2; turn++)
        {
            TreeListing seen;
            using (FileSystem fs = FileSystem.Open(image.Path, write: true))
            {
                string place = $"/ours-{turn}";
                fs.CreateDirectory(place);
                Turn(seed + 2 * turn, place).Run(new LibraryTree(fs), steps);
                if (turn > 0) fs.DeleteDirectory("/kernel-0", recursive: true);
                seen = LibraryListing.Of(fs);
            }
            XfsRepair.CheckClean(image.Path);
            OurFsck.AssertClean(image.Path);

            using (KernelMount mount = KernelMount.ReadWrite(image.Path))
            {
                TreeListing.AssertEqual(seen, mount.List(), LibraryListing.Fields);
                string place = $"/kernel-{turn}";
                Directory.CreateDirectory(mount[place]);
                Turn(seed + 2 * turn + 1, place).Run(new KernelTree(mount), steps);
                Directory.Delete(mount[$"/ours-{turn}"], recursive: true);
                mount.Sync();
                mount.AssertNoComplaints();
                seen = mount.List();
            }
            XfsRepair.CheckClean(image.Path);
            OurFsck.AssertClean(image.Path);
            TreeListing.AssertEqual(seen, LibraryListing.Of(image.Path), LibraryListing.Fields & ~TreeFields.Extents);
        }

        RandomTurn Turn(int number, string place) => new(number, turnOptions with { Place = place });
    }
}
