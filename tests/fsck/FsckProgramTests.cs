using System.Text.Json;
using ImageFs.Format;
using ImageFs.Fsck;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Fsck;

/// <summary>The command: its options, its exit codes, its two kinds of report.</summary>
[TestClass]
public sealed class FsckProgramTests
{
    private static (int Exit, string Output, string Error) Run(params string[] args)
    {
        StringWriter output = new(), error = new();
        int exit = FsckProgram.Run(args, output, error);
        return (exit, output.ToString(), error.ToString());
    }

    private static TempImage Damaged()
    {
        DamagedImage image = new("plain-4k");
        image.Agf(1, (ref Agf a) => a.BtreeBlocks = a.BtreeBlocks + 1);
        TempImage file = TempImage.NotYetThere();
        image.Device.Save(file.Path);
        return file;
    }

    [TestMethod]
    public void ACleanImageExitsWith0AndSaysSo()
    {
        (int exit, string output, string error) = Run("-n", SampleImages.Path("plain-4k"));
        Assert.AreEqual(0, exit);
        Assert.EndsWith("clean", output.TrimEnd());
        Assert.AreEqual("", error);
    }

    [TestMethod]
    public void ADamagedImageExitsWith4AndNamesThePlace()
    {
        using TempImage image = Damaged();
        (int exit, string output, _) = Run("-n", image.Path);
        Assert.AreEqual(4, exit);
        Assert.Contains("agf-btreeblks [ag 1, block 0, field btreeblks]", output);
        Assert.AreEqual("", Run("-n", "-q", image.Path).Output);
    }

    [TestMethod]
    public void TheJsonReportHasTheFieldsItPromises()
    {
        using TempImage image = Damaged();
        (int exit, string output, _) = Run("-n", "--json", "-", image.Path);
        Assert.AreEqual(4, exit);
        using JsonDocument report = JsonDocument.Parse(output);
        JsonElement root = report.RootElement;
        Assert.AreEqual("imagefs-fsck", root.GetProperty("schema").GetString());
        Assert.AreEqual(1, root.GetProperty("schema_version").GetInt32());
        Assert.AreEqual(image.Path, root.GetProperty("device").GetString());
        Assert.IsFalse(root.GetProperty("clean").GetBoolean());
        Assert.IsFalse(root.GetProperty("dirty").GetBoolean());
        Assert.AreEqual("complete", root.GetProperty("scan").GetString());
        Assert.AreEqual(4, root.GetProperty("exit").GetInt32());
        JsonElement finding = root.GetProperty("findings")[0];
        Assert.AreEqual("agf-btreeblks", finding.GetProperty("code").GetString());
        Assert.AreEqual("error", finding.GetProperty("severity").GetString());
        Assert.AreEqual(1, finding.GetProperty("ag").GetInt32());
        Assert.AreEqual(0, finding.GetProperty("agbno").GetInt32());
        Assert.AreEqual(JsonValueKind.Null, finding.GetProperty("ino").ValueKind);
        Assert.AreEqual(JsonValueKind.Null, finding.GetProperty("path").ValueKind);
        Assert.AreEqual("btreeblks", finding.GetProperty("field").GetString());
        Assert.AreEqual("recount", finding.GetProperty("remedy").GetString());
        Assert.Contains("blocks of free-space", finding.GetProperty("what").GetString()!);
    }

    [TestMethod]
    public void ARepairExitsWith1AndTheNextRunWith0()
    {
        using TempImage image = Damaged();
        (int exit, string output, _) = Run("-y", image.Path);
        Assert.AreEqual(1, exit);
        Assert.Contains("1 finding, repaired", output);
        Assert.AreEqual(0, Run("-y", image.Path).Exit);
        Assert.AreEqual(0, Run("-n", image.Path).Exit);
    }

    [TestMethod]
    public void ADryRunPrintsItsPlanAndChangesNothing()
    {
        using TempImage image = Damaged();
        byte[] before = File.ReadAllBytes(image.Path);
        (int exit, string output, _) = Run("-y", "--dry-run", image.Path);
        Assert.AreEqual(1, exit);
        Assert.Contains(" rebuild-group-headers 0x", output);
        CollectionAssert.AreEqual(before, File.ReadAllBytes(image.Path));
    }

    [TestMethod]
    public void AnUndoFileBringsTheImageBackBitForBit()
    {
        using TempImage image = Damaged();
        byte[] before = File.ReadAllBytes(image.Path);
        string undo = Scratch.NewPath(".undo");
        Assert.AreEqual(1, Run("-y", "--undo", undo, image.Path).Exit);
        CollectionAssert.AreNotEqual(before, File.ReadAllBytes(image.Path));
        Assert.AreEqual(8, Run("-y", "--undo-apply", SampleImages.Path("plain-4k"), image.Path).Exit);
        Assert.AreEqual(0, Run("--undo-apply", undo, image.Path).Exit);
        CollectionAssert.AreEqual(before, File.ReadAllBytes(image.Path));
    }

    [TestMethod]
    public void TheJsonReportGoesToAFileBesideTheText()
    {
        string json = Scratch.NewPath(".json");
        (int exit, string output, _) = Run("-n", "--json", json, SampleImages.Path("plain-4k"));
        Assert.AreEqual(0, exit);
        Assert.Contains("clean", output);
        using JsonDocument report = JsonDocument.Parse(File.ReadAllText(json));
        Assert.IsTrue(report.RootElement.GetProperty("clean").GetBoolean());
        Assert.AreEqual(0, report.RootElement.GetProperty("findings").GetArrayLength());
    }

    [TestMethod]
    public void WhatCannotBeCheckedExitsWith8AndOneSentence()
    {
        using TempImage noise = TempImage.Of(new byte[1 << 16]);
        (int exit, string output, string error) = Run("-n", noise.Path);
        Assert.AreEqual(8, exit);
        Assert.AreEqual("", output);
        Assert.Contains("not an XFS image", error);
        Assert.AreEqual(8, Run("-n", "/nowhere/at/all.img").Exit);
    }

    [TestMethod]
    public void ARepairReportHasTheFieldsItPromises()
    {
        using TempImage image = Damaged();
        (int exit, string output, _) = Run("-y", "--json", "-", image.Path);
        Assert.AreEqual(1, exit);
        using JsonDocument report = JsonDocument.Parse(output);
        string[] names = [.. report.RootElement.EnumerateObject().Select(p => p.Name)];
        CollectionAssert.AreEqual(new[] { "schema", "schema_version", "device", "clean", "dirty", "scan", "exit", "problem", "unlisted", "findings", "repair" }, names);
        JsonElement repair = report.RootElement.GetProperty("repair");
        CollectionAssert.AreEqual(new[] { "applied", "problem", "lost_log", "notes", "left", "bytes", "plan" }, repair.EnumerateObject().Select(p => p.Name).ToArray());
        Assert.IsTrue(repair.GetProperty("applied").GetBoolean());
        Assert.AreEqual(JsonValueKind.Null, repair.GetProperty("lost_log").ValueKind);
        Assert.IsGreaterThan(0L, repair.GetProperty("bytes").GetInt64());
        CollectionAssert.AreEqual(new[] { "offset", "length", "code", "crc_before", "crc_after" }, repair.GetProperty("plan")[0].EnumerateObject().Select(p => p.Name).ToArray());
        CollectionAssert.AreEqual(new[] { "code", "severity", "ag", "agbno", "ino", "path", "field", "what", "remedy" },
            report.RootElement.GetProperty("findings")[0].EnumerateObject().Select(p => p.Name).ToArray());
    }

    [TestMethod]
    public void VerboseSaysWhatWasLookedAtAndQuietNothing()
    {
        string image = SampleImages.Path("plain-4k");
        Assert.Contains("inodes", Run("-n", "-v", image).Output);
        Assert.DoesNotContain("inodes", Run("-n", image).Output);
        Assert.AreEqual("", Run("-n", "-q", image).Output);
    }

    /// <summary>Wherever it is cancelled, the image is what it was.</summary>
    [TestMethod]
    public void ACancelledRunExitsWith32AndHasChangedNothing()
    {
        using TempImage image = Damaged();
        byte[] before = File.ReadAllBytes(image.Path);
        int reports = 0;
        FsckProgram.Run(["-y", "--dry-run", image.Path], TextWriter.Null, TextWriter.Null, new Ear(_ => reports++));
        Assert.IsGreaterThan(10, reports);
        for (int last = 0; last < reports; last++)
        {
            using CancellationTokenSource stop = new();
            int heard = 0;
            StringWriter output = new();
            int exit = FsckProgram.Run(["-y", image.Path], output, TextWriter.Null, new Ear(_ =>
            {
                if (heard++ == last) stop.Cancel();
            }), stop.Token);
            // Behind the last place where anybody asks, the repair is finished.
            if (exit == 1) break;
            Assert.AreEqual(32, exit, $"after {last} reports");
            Assert.Contains("cancelled", output.ToString());
            CollectionAssert.AreEqual(before, File.ReadAllBytes(image.Path), $"after {last} reports");
        }
    }

    private sealed class Ear(Action<FsckProgress> hear) : IProgress<FsckProgress>
    {
        public void Report(FsckProgress value) => hear(value);
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("-n")]
    [DataRow("-n --json")]
    [DataRow("-n -z IMAGE")]
    [DataRow("-n IMAGE IMAGE")]
    [DataRow("-n -y IMAGE")]
    [DataRow("-y --undo")]
    [DataRow("-y -m none IMAGE")]
    [DataRow("-n -m 7 IMAGE")]
    [DataRow("IMAGE")]
    public void MisuseExitsWith16(string arguments)
    {
        string image = SampleImages.Path("plain-4k");
        string[] args = [.. arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(a => a == "IMAGE" ? image : a)];
        (int exit, _, string error) = Run(args);
        Assert.AreEqual(16, exit);
        Assert.AreNotEqual("", error);
    }
}
