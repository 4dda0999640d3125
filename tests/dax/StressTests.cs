using ImageFs.Dax;
using ImageFs.Devices;
using ImageFs.Mkfs;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Dax;

/// <summary>Everything that changes and reads files, by many threads in the same files, against a model that knows who did what when.</summary>
[TestClass]
public sealed class StressTests
{
    private const int B = World.B, U = VersionedFiles.Unit, PerBlock = B / U;
    private const int Files = 5, Threads = 6, Units = 1536, Start = 512;

    /// <summary>Files that never get shorter: others may have views of them. The rest is truncated, shifted and appended to.</summary>
    private const int Steady = 3;

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void S100_WhateverManyThreadsDoInTheSameFilesReadersFindOnlyWhatWasThereWhenTheyLooked(bool mapped)
    {
        Console.WriteLine(TestSettings.Replay(nameof(S100_WhateverManyThreadsDoInTheSameFilesReadersFindOnlyWhatWasThereWhenTheyLooked), TestSettings.Seed));
        using TempImage image = TempImage.Empty(300L << 20);
        VersionedFiles model = new(Files, Units, Threads);
        using (BlockDevice device = mapped ? MappedDevice.Open(image.Path, DeviceAccess.Write) : FileDevice.Open(image.Path, DeviceAccess.Write))
        {
            ImageFs.Mkfs.Mkfs.Format(device, MkfsOptions.Parse([]));
            using FileSystem fs = FileSystem.Open(device, write: true, leaveOpen: true);
            for (int f = 0; f < Files; f++) fs.CreateFile(PathOf(f)).Dispose();
            ConcurrencyTests.Together(Threads, TestSettings.Seed, (thread, random) =>
            {
                using Worker worker = new(fs, model, thread, random, mapped);
                worker.Run(1500 * TestSettings.Sweep);
            });
            Compare(model, f => Read(fs, f));
        }
        using (BlockDevice device = FileDevice.Open(image.Path, DeviceAccess.Read))
        {
            OurFsck.AssertClean(device);
            using FileSystem fs = FileSystem.Open(device, leaveOpen: true);
            Compare(model, f => Read(fs, f));
        }
        XfsRepair.CheckClean(image.Path);
        using KernelMount kernel = KernelMount.ReadOnly(image.Path);
        Compare(model, f => File.ReadAllBytes(kernel[PathOf(f)]));
        kernel.AssertNoComplaints();
    }

    private static string PathOf(int file) => $"/f{file}";

    private static byte[] Read(FileSystem fs, int file)
    {
        using XfsFile open = fs.OpenFile(PathOf(file));
        return open.ReadAll();
    }

    private static void Compare(VersionedFiles model, Func<int, byte[]> read)
    {
        for (int f = 0; f < Files; f++) model.EndLook(0, model.BeginLook(0), f, 0, read(f), Units);
    }

    private sealed class Worker : IDisposable
    {
        private readonly FileSystem _fs;
        private readonly VersionedFiles _model;
        private readonly int _thread;
        private readonly Random _random;
        private readonly bool _mapped;
        private readonly XfsFile[] _files;
        private readonly byte[] _bytes = new byte[Units * U];

        public Worker(FileSystem fs, VersionedFiles model, int thread, Random random, bool mapped)
        {
            (_fs, _model, _thread, _random, _mapped) = (fs, model, thread, random, mapped);
            _files = [.. Enumerable.Range(0, Files).Select(f => fs.OpenFile(PathOf(f), write: true))];
        }

        public void Run(int steps)
        {
            // One thread after the other makes sure that the files have something in them.
            for (int f = 0; f < Files; f++)
                using (_model.Take(f, 0, int.MaxValue))
                    if (_model.SizeOf(f) == 0) Write("first write", f, 0, Start, inPlace: false);
            for (int i = 0; i < steps; i++) Step(_random.Next(100));
        }

        private void Step(int what)
        {
            switch (what)
            {
                case < 25: Look(); break;
                case < 30: LookThroughView(); break;
                case < 47: Write(); break;
                case < 51: WriteLong(); break;
                case < 59: Clone(); break;
                case < 63: WriteAroundClone(); break;
                case < 69: Dedupe(); break;
                case < 73: Zero(punch: true); break;
                case < 75: Zero(punch: false); break;
                case < 78: Unshare(); break;
                case < 82: Exchange(); break;
                case < 85: WriteAtomically(); break;
                case < 88: Truncate(); break;
                case < 91: Insert(); break;
                case < 93: Collapse(); break;
                case < 95: LookAtSnapshot(); break;
                case < 97: _fs.Flush(); break;
                case < 98: _fs.CollectCow(); break;
                case < 99: Reopen(); break;
                default: Store(); break;
            }
        }

        // The first file is written in place, cloned from and read more than others, and its layout changes less often: what is
        // remembered of its extents lives longer.
        private int AnyFile() => _random.Next(3) == 0 ? 0 : _random.Next(Files);

        private int OtherFile() => _random.Next(8) == 0 ? 0 : _random.Next(1, Files);

        private void Look()
        {
            int file = AnyFile(), from = _random.Next(Units), count = 1 + _random.Next(_random.Next(4) == 0 ? 300 : 24);
            long began = _model.BeginLook(_thread);
            int read = _files[file].Read((long)from * U, _bytes.AsSpan(0, count * U));
            _model.EndLook(_thread, began, file, from, _bytes.AsSpan(0, read), count);
        }

        private void LookThroughView()
        {
            if (!_mapped) return;
            int file = _random.Next(Steady);
            using DaxView view = _files[file].OpenView(0, Start * U);
            for (int i = 0; i < 8; i++)
            {
                int from = _random.Next(Start), count = 1 + _random.Next(Math.Min(24, Start - from));
                long began = _model.BeginLook(_thread);
                view.GetSpan(from * U, count * U).CopyTo(_bytes);
                _model.EndLook(_thread, began, file, from, _bytes.AsSpan(0, count * U), count, mixes: true);
            }
        }

        /// <summary>A clone of a whole file is one moment of it, and nobody writes in place meanwhile.</summary>
        private void LookAtSnapshot()
        {
            int file = _random.Next(Files);
            string clone = $"/clone-{_thread}";
            long began = _model.BeginLook(_thread);
            _fs.Clone(PathOf(file), clone);
            using (XfsFile open = _fs.OpenFile(clone, write: true))
            {
                byte[] found = open.ReadAll();
                _model.EndLook(_thread, began, file, 0, found, Units, excludesWriters: true);
                // What happens to the clone is nobody else's business.
                open.Write(_random.Next(Start) * U, World.Repeat(1, 3 * U));
                open.SetLength(_random.Next(Start) * U);
            }
            _fs.DeleteFile(clone);
        }

        private void Write()
        {
            int file = AnyFile(), from, count = 1 + _random.Next(_random.Next(6) == 0 ? 160 : 12);
            if (file < Steady || _random.Next(4) > 0)
            {
                from = _random.Next(Start - count);
                using (_model.Take(file, from, from + count))
                    if (from + count <= _model.SizeOf(file)) Write("write", file, from, count, inPlace: true);
                return;
            }
            // Behind the end, perhaps with a gap: nobody else must know where the end is.
            using (_model.Take(file, 0, int.MaxValue))
            {
                from = _model.SizeOf(file) + (_random.Next(2) == 0 ? 0 : _random.Next(40));
                if (from + count <= Units) Write("append", file, from, count, inPlace: false);
            }
        }

        /// <summary>Into a hole that was made for it, so that the long way is gone.</summary>
        private void WriteLong()
        {
            int file = OtherFile(), count = 140 + _random.Next(120), from = _random.Next(Start - count);
            using (_model.Take(file, from, from + count))
            {
                if (from + count > _model.SizeOf(file)) return;
                _model.Do("punch", inPlace: false, Zeros(file, from, count), () => _files[file].PunchHole((long)from * U, (long)count * U));
                Write("long write", file, from, count, inPlace: false);
            }
        }

        private void Write(string name, int file, int from, int count, bool inPlace)
        {
            (int, int Unit, ulong Version)[] units = NewVersions(file, from, count);
            byte[] bytes = Render(units);
            IEnumerable<(int, int, ulong)> now = from + count > _model.SizeOf(file) ? units.Append(_model.Size(file, from + count)) : units;
            _model.Do(name, inPlace, now, () => _files[file].Write((long)from * U, bytes));
        }

        private void WriteAtomically()
        {
            int file = OtherFile(), count = PerBlock << _random.Next(4), from = _random.Next(Start / count) * count;
            using (_model.Take(file, from, from + count))
            {
                if (from + count > _model.SizeOf(file)) return;
                (int, int, ulong)[] units = NewVersions(file, from, count);
                _model.Do("atomic write", inPlace: false, units, () => _files[file].AtomicWrite((long)from * U, Render(units)));
            }
        }

        private void Store()
        {
            if (!_mapped) return;
            int file = _random.Next(Steady), count = 1 + _random.Next(12), from = _random.Next(Start - count);
            using DaxView view = _files[file].OpenView(0, Start * U);
            using (_model.Take(file, from, from + count))
            {
                (int, int, ulong)[] units = NewVersions(file, from, count);
                byte[] bytes = Render(units);
                _model.Do("store", inPlace: true, units, () =>
                {
                    using WriteLease lease = view.AcquireWritable(from * U, count * U);
                    bytes.CopyTo(lease.Span);
                });
            }
        }

        private void Clone()
        {
            if (!TryChooseTwo(out int source, out int at, out int file, out int from, out int count)) return;
            using (_model.Take(file, from, from + count, alone: true, (source, at, at + count, false)))
            {
                if (!Inside(source, at + count) || !Inside(file, from + count)) return;
                CloneHeld(source, at, file, from, count);
            }
        }

        private void CloneHeld(int source, int at, int file, int from, int count) =>
            _model.Do($"clone from file {source}, unit {at}", inPlace: false, Enumerable.Range(0, count).Select(i => (file, from + i, _model.Now(source, at + i))),
                () => _files[file].CloneRange(_files[source], (long)at * U, (long)from * U, (long)count * U));

        /// <summary>Whoever has just written in place must notice that the blocks have got another owner.</summary>
        private void WriteAroundClone()
        {
            if (!TryChooseTwo(out int source, out int at, out int file, out int from, out int count)) return;
            using (_model.Take(file, from, from + count, alone: true, (source, at, at + count, true)))
            {
                if (!Inside(source, at + count) || !Inside(file, from + count)) return;
                for (int i = 0; i < 3; i++) Write("write before a clone", source, at, count, inPlace: true);
                CloneHeld(source, at, file, from, count);
                int part = _random.Next(count);
                Write("write after a clone", source, at + part, count - part, inPlace: true);
            }
        }

        private void Dedupe()
        {
            if (!TryChooseTwo(out int source, out int at, out int file, out int from, out int count)) return;
            bool copy = _random.Next(2) == 0;
            using (_model.Take(file, from, from + count, alone: copy, (source, at, at + count, false)))
            {
                if (!Inside(source, at + count) || !Inside(file, from + count)) return;
                if (copy)
                {
                    (int, int, ulong)[] units = [.. Enumerable.Range(0, count).Select(i => (file, from + i, _model.Now(source, at + i)))];
                    _model.Do("copy", inPlace: true, units, () => _files[file].Write((long)from * U, Render(units)));
                }
                bool equal = Enumerable.Range(0, count).All(i => _model.Now(source, at + i) == _model.Now(file, from + i));
                DedupeResult result = _files[file].DedupeRange(_files[source], (long)at * U, (long)from * U, (long)count * U);
                Assert.AreEqual(equal, result.Status == DedupeStatus.Same, $"dedupe of {count} units: file {source}, unit {at} and file {file}, unit {from}");
            }
        }

        private void Exchange()
        {
            if (!TryChooseTwo(out int source, out int at, out int file, out int from, out int count)) return;
            using (_model.Take(file, from, from + count, alone: true, (source, at, at + count, true)))
            {
                if (!Inside(source, at + count) || !Inside(file, from + count)) return;
                _model.Do($"exchange of file {source}, unit {at} and file {file}, unit {from}", inPlace: false, Enumerable.Range(0, count)
                    .SelectMany(i => new[] { (file, from + i, _model.Now(source, at + i)), (source, at + i, _model.Now(file, from + i)) }),
                    () => _files[file].ExchangeRange(_files[source], (long)at * U, (long)from * U, (long)count * U));
            }
        }

        private void Zero(bool punch)
        {
            int file = OtherFile(), count = 1 + _random.Next(40), from = _random.Next(Start - count);
            using (_model.Take(file, from, from + count))
            {
                if (!Inside(file, from + count)) return;
                _model.Do(punch ? "punch" : "zero", inPlace: false, Zeros(file, from, count), () =>
                {
                    if (punch) _files[file].PunchHole((long)from * U, (long)count * U);
                    else _files[file].ZeroRange((long)from * U, (long)count * U);
                });
            }
        }

        private void Unshare()
        {
            int file = OtherFile(), count = 1 + _random.Next(100), from = _random.Next(Start - count);
            _files[file].UnshareRange((long)from * U, (long)count * U, keepSize: true, onlyShared: _random.Next(2) == 0);
        }

        private void Truncate()
        {
            int file = _random.Next(Steady, Files);
            using (_model.Take(file, 0, int.MaxValue))
            {
                int old = _model.SizeOf(file), size = Math.Max(Start / 2, _random.Next(Units));
                _model.Do($"truncation to {size}", inPlace: false, Zeros(file, size, Math.Max(0, old - size)).Append(_model.Size(file, size)), () => _files[file].SetLength((long)size * U));
            }
        }

        private void Insert()
        {
            int file = _random.Next(Steady, Files), count = (1 + _random.Next(8)) * PerBlock, at = _random.Next(Start / PerBlock) * PerBlock;
            using (_model.Take(file, 0, int.MaxValue))
            {
                int size = _model.SizeOf(file);
                if (at >= size || size + count > Units) return;
                _model.Do($"insertion of {count} at {at}", inPlace: false, Zeros(file, at, count)
                    .Concat(Enumerable.Range(at, size - at).Select(unit => (file, unit + count, _model.Now(file, unit)))).Append(_model.Size(file, size + count)),
                    () => _files[file].InsertRange((long)at * U, (long)count * U));
            }
        }

        private void Collapse()
        {
            int file = _random.Next(Steady, Files), count = (1 + _random.Next(8)) * PerBlock, at = _random.Next(Start / PerBlock) * PerBlock;
            using (_model.Take(file, 0, int.MaxValue))
            {
                int size = _model.SizeOf(file);
                if (at + count >= size || size - count < Start / 2) return;
                _model.Do($"collapse of {count} at {at}", inPlace: false, Enumerable.Range(at, size - at - count).Select(unit => (file, unit, _model.Now(file, unit + count)))
                    .Concat(Zeros(file, size - count, count)).Append(_model.Size(file, size - count)),
                    () => _files[file].CollapseRange((long)at * U, (long)count * U));
            }
        }

        private void Reopen()
        {
            int file = _random.Next(Files);
            _ = _files[file].GetExtents();
            _files[file].Dispose();
            _files[file] = _fs.OpenFile(PathOf(file), write: true);
        }

        /// <summary>Two ranges of whole blocks that do not overlap.</summary>
        private bool TryChooseTwo(out int source, out int at, out int file, out int from, out int count)
        {
            source = AnyFile();
            file = OtherFile();
            count = (1 + _random.Next(12)) * PerBlock;
            at = _random.Next((Start - count) / PerBlock) * PerBlock;
            from = _random.Next((Start - count) / PerBlock) * PerBlock;
            return source != file || Math.Abs(at - from) >= count;
        }

        private bool Inside(int file, int end) => end <= _model.SizeOf(file);

        private (int, int, ulong)[] NewVersions(int file, int from, int count) => [.. Enumerable.Range(from, count).Select(unit => (file, unit, _model.NewVersion(file, unit, _thread)))];

        private static IEnumerable<(int, int, ulong)> Zeros(int file, int from, int count) => Enumerable.Range(from, count).Select(unit => (file, unit, 0UL));

        private static byte[] Render((int File, int Unit, ulong Version)[] units)
        {
            byte[] bytes = new byte[units.Length * U];
            for (int i = 0; i < units.Length; i++) VersionedFiles.Render(units[i].Version, bytes.AsSpan(i * U, U));
            return bytes;
        }

        public void Dispose()
        {
            foreach (XfsFile file in _files) file.Dispose();
        }
    }
}
