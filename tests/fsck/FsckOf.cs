using ImageFs.Devices;
using ImageFs.Fsck;

namespace ImageFs.Tests.Fsck;

/// <summary>Short ways to run the check in tests.</summary>
internal static class FsckOf
{
    public static FsckReport File(string path)
    {
        using FileDevice device = FileDevice.Open(path, DeviceAccess.Read);
        return Checker.Check(device, new FsckOptions { DeviceName = path });
    }

    public static FsckReport Device(BlockDevice device) => Checker.Check(new OnlyRead(device));

    /// <summary>Everything the report says, for messages of failing tests.</summary>
    public static string Text(this FsckReport report)
    {
        StringWriter text = new();
        report.WriteText(text, verbose: true);
        return text.ToString();
    }

    /// <summary>Fails with the whole report unless there is nothing to report.</summary>
    public static void MustBeSilent(this FsckReport report, string about = "")
    {
        if (report.Exit != FsckExit.Clean || report.Findings.Any(f => f.Severity != Severity.Info) || report.Scan != ScanExtent.Complete)
            Assert.Fail($"{about}: exit {report.Exit}, scan {report.Scan}{Environment.NewLine}{report.Text()}");
    }

    /// <summary>A check never writes.</summary>
    private sealed class OnlyRead(BlockDevice below) : BlockDevice
    {
        public override long Length => below.Length;
        public override bool CanWrite => false;
        public override void Read(long offset, Span<byte> destination) => below.Read(offset, destination);
        public override void Write(long offset, ReadOnlySpan<byte> source) => throw new AssertFailedException($"a check writes {source.Length} bytes at {offset}");
        public override void Flush() => throw new AssertFailedException("a check flushes");
    }
}
