using System.Globalization;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Interop;

/// <summary>The numbers df shows.</summary>
[TestClass]
public sealed class StatfsTests
{
    [TestMethod]
    [DataRow("1g", "")]
    [DataRow("300m", "-m rmapbt=0")]
    [DataRow("300m", "-m reflink=0,rmapbt=0")]
    [DataRow("64m", "-b size=1024")]
    [DataRow("20g", "-d agcount=7")]
    public void StatfsGivesTheKernelsNumbers(string size, string options)
    {
        Judge.RequireKernel();
        using TempImage image = TempImage.NotYetThere();
        Assert.AreEqual(0, MkfsProgram.Run(["-q", "--size", size, .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries), image.Path], TextWriter.Null, Console.Out));
        FileSystemStatistics ours;
        using (FileSystem fs = FileSystem.Open(image.Path, write: true))
        {
            for (int i = 0; i < 200; i++)
            {
                using XfsFile file = fs.CreateFile($"/f{i}");
                file.Write(0, new byte[10_000]);
            }
            ours = fs.Statistics;
        }
        using KernelMount mount = KernelMount.ReadWrite(image.Path);
        long[] kernel = [.. Shell.Run("stat", "-f", "-c", "%b %f %c %d", mount.Path).MustSucceed().Output.Split(' ')
            .Select(n => long.Parse(n, CultureInfo.InvariantCulture))];
        Assert.AreEqual($"{kernel[0]} {kernel[1]} {kernel[2]} {kernel[3]}", $"{ours.Blocks} {ours.AvailableBlocks} {ours.Files} {ours.FreeFiles}");
    }
}
