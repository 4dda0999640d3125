using ImageFs.Dax;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Interop;

/// <summary>
/// The same random operations on ranges, the kernel on one copy of an image and we on the other. After each of them both must
/// have said the same, and the files must agree in size, in every byte, and in the state of every block.
/// </summary>
[TestClass]
public sealed class RangeLockStepTests
{
    private static readonly string[] s_files = ["f", "g", "odd", "odd2", "c"];

    public static IEnumerable<object[]> Rounds =>
        from round in Enumerable.Range(0, TestSettings.Sweep)
        from options in new[] { "", "-b size=1024", "-m rmapbt=0", "-m reflink=0", "-b size=16384" }
        select new object[] { options, round };

    [TestMethod, DynamicData(nameof(Rounds))]
    public void TheKernelAndWeDoTheSameToEveryRange(string options, int round)
    {
        Judge.RequireKernel();
        int seed = TestSettings.Seed * 1000 + round;
        Console.WriteLine(TestSettings.Replay(nameof(TheKernelAndWeDoTheSameToEveryRange), TestSettings.Seed));
        using TempImage image = Ranges.NewImage(options.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Ranges.Make(image, out TempImage? copy);
        using (copy)
        {
            using (FileSystem fs = FileSystem.Open(image.Path, write: true))
            using (KernelMount mount = KernelMount.ReadWrite(copy!.Path, Ranges.MountOptions))
            {
                Random random = new(seed);
                List<string> done = [];
                for (int step = 0; step < 150; step++)
                {
                    try
                    {
                        RangeStep operation = RangeStep.Any(random, fs, s_files.Where(f => fs.Exists("/" + f)).ToArray());
                        done.Add(operation.ToString());
                        operation.Do(fs, mount);
                    }
                    catch (AssertFailedException why)
                    {
                        throw new AssertFailedException($"step {step}: {why.Message}\n{string.Join('\n', done.TakeLast(20))}", why);
                    }
                }
                mount.AssertNoComplaints();
            }
            OurFsck.AssertClean(image.Path);
            OurFsck.AssertClean(copy.Path);
            Ranges.AssertEqual(copy, image);
            using KernelMount check = KernelMount.ReadWrite(image.Path);
            check.AssertNoComplaints();
        }
    }

    /// <summary>One operation with its arguments.</summary>
    private sealed record RangeStep(string Kind, string Path, string Other, long Offset, long OtherOffset, long Length, int Seed)
    {
        private static readonly string[] s_kinds =
            ["write", "write", "write", "truncate", "allocate", "keep", "punch", "punch", "zero", "zerokeep", "insert", "collapse", "unshare", "unsharekeep",
                "clone", "clone", "clone", "dedupe", "copy", "exchange", "exchange", "exchangeend", "exchangewritten"];

        public static RangeStep Any(Random random, FileSystem fs, string[] files)
        {
            int block = fs.Geometry.BlockSize;
            string path = files[random.Next(files.Length)], other = files[random.Next(files.Length)];
            long size = fs.GetEntry("/" + path).Length, otherSize = fs.GetEntry("/" + other).Length;
            string kind = s_kinds[random.Next(s_kinds.Length)];
            // Mostly whole blocks, so that most calls are possible; now and then not, or beyond the end.
            bool aligned = random.Next(4) > 0;
            long Place(long upTo) => aligned ? random.NextInt64(upTo / block + 1) * block : random.NextInt64(upTo + 1);
            long offset = Place(size + 3 * block), from = Place(otherSize), length = Place(8 * block) + (aligned ? 0 : 1);
            if (kind is "insert" or "collapse" && size > 60 * block) kind = "truncate";
            if (kind == "truncate") offset = Place(40 * block);
            // Sizes are exchanged whatever the offsets: with different ones, bytes behind the end of a file come into sight.
            if (kind == "exchangeend") offset = from = random.NextInt64(Math.Min(size, otherSize) / block + 1) * block;
            if (kind == "write") length = Math.Max(1, length);
            if (kind is "clone" && random.Next(3) == 0) (from, length) = (0, 0);
            return new RangeStep(kind, path, other, offset, from, length, random.Next());
        }

        public void Do(FileSystem fs, KernelMount mount)
        {
            if (Kind is "insert" or "collapse" && fs.GetEntry("/" + Path).Length % fs.Geometry.BlockSize != 0)
            {
                // The kernel copies a shared last block only because the file's size changes; we have no reason to.
                Each(fs, mount, f => f.SetLength(f.Length - f.Length % fs.Geometry.BlockSize), f => f.Truncate(f.Length - f.Length % fs.Geometry.BlockSize));
            }
            using (XfsFile our = fs.OpenFile("/" + Path, write: true), ourOther = fs.OpenFile("/" + Other, write: true))
            using (PosixFile theirs = new(mount[Path]), theirOther = new(mount[Other]))
            {
                string expected = Kernel(theirs, theirOther), actual = Library(our, ourOther);
                Assert.AreEqual(expected, actual, $"{this}: the kernel said {expected}, the library {actual}");
            }
            foreach (string name in new[] { Path, Other }.Distinct()) Compare(fs, mount, name);
        }

        private void Each(FileSystem fs, KernelMount mount, Action<XfsFile> ours, Func<PosixFile, int> theirs)
        {
            using XfsFile our = fs.OpenFile("/" + Path, write: true);
            using PosixFile kernels = new(mount[Path]);
            ours(our);
            Assert.AreEqual(0, theirs(kernels));
        }

        private void Compare(FileSystem fs, KernelMount mount, string name)
        {
            using XfsFile our = fs.OpenFile("/" + name);
            using PosixFile theirs = new(mount[name], write: false);
            Assert.AreEqual(theirs.Length, our.Length, $"size of {name} after {this}");
            byte[] expected = theirs.ReadAll(), actual = our.ReadAll();
            int same = expected.AsSpan().CommonPrefixLength(actual);
            if (same < expected.Length) Assert.Fail($"{name} differs at byte {same} after {this}");
            int block = fs.Geometry.BlockSize;
            Assert.AreEqual(Ranges.Picture(theirs.Length, block, Posix.Mappings(Posix.Bytes(mount[name]))), Ranges.Picture(our.Length, block, Ranges.Mappings(our)),
                $"blocks of {name} after {this}");
        }

        private string Kernel(PosixFile file, PosixFile other)
        {
            switch (Kind)
            {
                case "write":
                    file.Write(Offset, Ranges.Noise(Seed, (int)Length));
                    return "0";
                case "truncate": return $"{file.Truncate(Offset)}";
                case "clone": return $"{file.CloneRange(other, OtherOffset, Offset, Length)}";
                case "copy": return $"{file.CopyRange(other, OtherOffset, Offset, Length, out long copied)} {Math.Max(0, copied)}";
                case "dedupe":
                    int error = other.DedupeRange(OtherOffset, Length, [(file, Offset)], out (long Bytes, int Status)[] results);
                    return error != 0 ? $"{error}" : results[0].Status < 0 ? $"{-results[0].Status}" : results[0].Status == 0 ? $"same {results[0].Bytes}" : "differs";
                case "exchange" or "exchangeend" or "exchangewritten": return $"{file.ExchangeRange(other, OtherOffset, Offset, Length, (ulong)Options)}";
                default: return $"{file.Allocate((int)Mode, Offset, Length)}";
            }
        }

        private string Library(XfsFile file, XfsFile other)
        {
            try
            {
                switch (Kind)
                {
                    case "write": file.Write(Offset, Ranges.Noise(Seed, (int)Length)); break;
                    case "truncate": file.SetLength(Offset); break;
                    case "clone": file.CloneRange(other, OtherOffset, Offset, Length); break;
                    case "copy": return $"0 {file.CopyRange(other, OtherOffset, Offset, Length)}";
                    case "dedupe":
                        DedupeResult result = other.DedupeRange(OtherOffset, Length, [new(file, Offset)])[0];
                        return result.Status switch { DedupeStatus.Same => $"same {result.BytesCompared}", DedupeStatus.Differs => "differs", _ => $"{result.Errno}" };
                    case "exchange" or "exchangeend" or "exchangewritten": file.ExchangeRange(other, OtherOffset, Offset, Length, Options); break;
                    default: file.Fallocate(Mode, Offset, Length); break;
                }
                return "0";
            }
            catch (XfsException why) when (why is not (CorruptionException or XfsShutdownException))
            {
                return Kind == "copy" ? $"{why.Errno} 0" : $"{why.Errno}";
            }
        }

        private ExchangeOptions Options => Kind switch { "exchangeend" => ExchangeOptions.ToEnd, "exchangewritten" => ExchangeOptions.FirstWritten, _ => ExchangeOptions.None };

        private FallocateMode Mode => Kind switch
        {
            "allocate" => FallocateMode.Allocate,
            "keep" => FallocateMode.KeepSize,
            "punch" => FallocateMode.PunchHole | FallocateMode.KeepSize,
            "zero" => FallocateMode.ZeroRange,
            "zerokeep" => FallocateMode.ZeroRange | FallocateMode.KeepSize,
            "insert" => FallocateMode.InsertRange,
            "collapse" => FallocateMode.CollapseRange,
            "unshare" => FallocateMode.UnshareRange,
            _ => FallocateMode.UnshareRange | FallocateMode.KeepSize,
        };
    }
}
