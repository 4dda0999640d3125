using System.Reflection;
using ImageFs.Attributes;
using ImageFs.Dax;
using ImageFs.Deduplication;
using ImageFs.Format;
using ImageFs.Tests.Fixtures;

namespace ImageFs.Tests.Dax;

/// <summary>
/// Every public member of what can be disposed, after it was: it says so, or tells what it knows without the image. Members are found
/// by reflection, so that a new one has to take a side.
/// </summary>
[TestClass]
public sealed class DisposedTests
{
    private const int B = World.B;

    /// <summary>What needs no image. Times out of the file's own past, places, sizes as they were.</summary>
    private static readonly HashSet<string> s_mayAnswer =
    [
        "FileSystem.get_Geometry", "FileSystem.get_IsReadOnly", "FileSystem.get_ReadOnlyReason", "FileSystem.get_WasRecovered", "FileSystem.get_Clock",
        "FileSystem.set_Clock", "FileSystem.get_Owner", "FileSystem.set_Owner", "FileSystem.get_AtomicWriteInfo", "FileSystem.Dispose",
        "XfsFile.get_CanWrite", "XfsFile.get_Inode", "XfsFile.get_LeaseTimeout", "XfsFile.set_LeaseTimeout", "XfsFile.Dispose",
        "DaxView.get_Offset", "DaxView.get_Length", "DaxView.get_Available", "DaxView.get_Pieces", "DaxView.get_Inode", "DaxView.get_IsClosed", "DaxView.Dispose",
        "WriteLease.get_Offset", "WriteLease.get_Length", "WriteLease.get_Inode", "WriteLease.get_IsClosed", "WriteLease.Dispose",
        "ReadLease.get_Offset", "ReadLease.get_Length", "ReadLease.get_Inode", "ReadLease.get_IsClosed", "ReadLease.Dispose",
        "FileSeal.get_Inode", "FileSeal.Dispose",
    ];

    /// <summary>What reflection cannot call: spans in or out.</summary>
    private static readonly Dictionary<string, Action<object>> s_withSpans = new()
    {
        ["FileSystem.SetAttribute"] = o => ((FileSystem)o).SetAttribute("/a", "user.x", new byte[3]),
        ["XfsFile.Read"] = o => ((XfsFile)o).Read(0, new byte[10]),
        ["XfsFile.Write"] = o => ((XfsFile)o).Write(0, new byte[10]),
        ["XfsFile.TryWrite"] = o => ((XfsFile)o).TryWrite(0, new byte[10]),
        ["XfsFile.AtomicWrite"] = o => ((XfsFile)o).AtomicWrite(0, new byte[B]),
        ["XfsFile.AtomicAppend"] = o => ((XfsFile)o).AtomicAppend(new byte[B]),
        ["XfsFile.TryAtomicWrite"] = o => ((XfsFile)o).TryAtomicWrite(0, new byte[B]),
        ["DaxView.get_Span"] = o => _ = ((DaxView)o).Span.Length,
        ["DaxView.GetSpan"] = o => _ = ((DaxView)o).GetSpan(0, 1).Length,
        ["WriteLease.get_Span"] = o => _ = ((WriteLease)o).Span.Length,
        ["WriteLease.GetSpan"] = o => _ = ((WriteLease)o).GetSpan(0, 1).Length,
    };

    [TestMethod]
    public void WhatIsDisposedSaysSo()
    {
        using World w = WorldOfThings(out XfsFile file, out DaxView view, out WriteLease write, out ReadLease read, out FileSeal seal);
        XfsFile other = w.Fs.OpenFile("/b", write: true);
        List<string> wrong = [];
        foreach (IDisposable thing in (IDisposable[])[seal, read, write, view, file])
        {
            thing.Dispose();
            Ask(thing, other, wrong);
        }
        Assert.IsEmpty(wrong, string.Join('\n', wrong));
        other.Dispose();
    }

    [TestMethod]
    public void WhatOutlivesItsFileSystemSaysSo()
    {
        using World w = WorldOfThings(out XfsFile file, out DaxView view, out WriteLease write, out ReadLease read, out FileSeal seal);
        XfsFile other = w.Fs.OpenFile("/b", write: true);
        other.Write(3, new byte[100]);
        w.Fs.Dispose();
        byte[] image = System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(w.ImagePath));
        List<string> wrong = [];
        foreach (object thing in (object[])[w.Fs, file, view, write, read, seal]) Ask(thing, other, wrong);
        // Once more, in the order in which using statements would do it, and twice.
        foreach (IDisposable thing in (IDisposable[])[seal, read, write, view, other, file, w.Fs, w.Fs, file, view, read]) thing.Dispose();
        Assert.IsEmpty(wrong, string.Join('\n', wrong));
        CollectionAssert.AreEqual(image, System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(w.ImagePath)), "the image was written to");
    }

    [TestMethod]
    public void AFileSystemIsClosedUnderThreadsThatUseIt()
    {
        for (int round = 0; round < 6; round++)
        {
            using World w = new(64);
            w.Cloned();
            FileSystem fs = w.Fs;
            int seed = TestSettings.Seed * 100 + round;
            Exception?[] ends = new Exception?[4];
            Thread[] threads = [.. Enumerable.Range(0, ends.Length).Select(i => new Thread(() =>
            {
                try
                {
                    Random random = new(seed + i);
                    for (int call = 0; ; call++) Call(fs, random, $"/t{i}-{call}");
                }
                catch (Exception why)
                {
                    ends[i] = why;
                }
            }) { IsBackground = true })];
            foreach (Thread thread in threads) thread.Start();
            Thread.Sleep(20 + 20 * round);
            fs.Dispose();
            foreach (Thread thread in threads) Assert.IsTrue(thread.Join(TimeSpan.FromSeconds(30)), "a thread waits for ever");
            foreach (Exception? end in ends) Assert.IsInstanceOfType<ObjectDisposedException>(end, TestSettings.Replay(nameof(AFileSystemIsClosedUnderThreadsThatUseIt), TestSettings.Seed));
        }
    }

    private static void Call(FileSystem fs, Random random, string path)
    {
        switch (random.Next(9))
        {
            case 0: fs.CreateDirectory(path); break;
            case 1: fs.List("/"); break;
            case 2: fs.GetEntry("/a"); break;
            case 3: fs.Clone("/a", path); break;
            case 4: fs.Flush(); break;
            case 5: fs.Atomically(_ => fs.CreateSymbolicLink(path, "x")); break;
            case 6:
                using (XfsFile file = fs.CreateFile(path)) file.Write(0, new byte[random.Next(1, 300_000)]);
                break;
            case 7:
                using (XfsFile file = fs.OpenFile("/b", write: true)) file.Write(random.Next(60) * B, new byte[random.Next(1, 3 * B)]);
                break;
            default:
                using (XfsFile file = fs.OpenFile("/a")) file.ReadAll();
                break;
        }
    }

    private static World WorldOfThings(out XfsFile file, out DaxView view, out WriteLease write, out ReadLease read, out FileSeal seal)
    {
        World w = World.OnFile();
        try
        {
            w.Cloned();
            w.Fill("/sealed", 4, (byte)'s');
            file = w.Fs.OpenFile("/a", write: true);
            view = file.OpenView();
            write = view.AcquireWritable(0, B);
            read = file.AcquireReadable(8 * B, B);
            using XfsFile other = w.Fs.OpenFile("/sealed", write: true);
            seal = other.Seal();
            return w;
        }
        catch (NotSupportedException why)
        {
            w.Dispose();
            Assert.Inconclusive(why.Message);
            throw;
        }
    }

    private static void Ask(object thing, XfsFile other, List<string> wrong)
    {
        Type type = thing.GetType();
        foreach (MethodInfo method in type.GetMethods(BindingFlags.Public | BindingFlags.Instance).Where(m => m.DeclaringType != typeof(object)))
        {
            string name = $"{type.Name}.{method.Name}";
            Exception? end = null;
            Thread thread = new(() =>
            {
                try
                {
                    Invoke(thing, method, name, other);
                }
                catch (TargetInvocationException why)
                {
                    end = why.InnerException;
                }
                catch (Exception why)
                {
                    end = why;
                }
            }) { IsBackground = true };
            thread.Start();
            string what = !thread.Join(TimeSpan.FromSeconds(20)) ? "hangs"
                : s_mayAnswer.Contains(name) ? end is null or ObjectDisposedException ? "" : end.ToString()
                : end is ObjectDisposedException ? "" : end?.ToString() ?? "is done";
            if (what.Length > 0) wrong.Add($"{name}({string.Join(", ", method.GetParameters().Select(p => p.Name))}): {what.Split('\n')[0]}");
        }
    }

    private static void Invoke(object thing, MethodInfo method, string name, XfsFile other)
    {
        if (method.ReturnType.IsByRefLike || method.GetParameters().Any(p => p.ParameterType.IsByRefLike))
        {
            if (!s_withSpans.TryGetValue(name, out Action<object>? call)) throw new InvalidOperationException("reflection cannot call it: give it a row");
            call(thing);
            return;
        }
        method.Invoke(thing, [.. method.GetParameters().Select(p => Argument(p, other))]);
    }

    private static object? Argument(ParameterInfo parameter, XfsFile other)
    {
        Type type = parameter.ParameterType;
        if (parameter.HasDefaultValue) return type.IsValueType && parameter.DefaultValue is null ? null : type.IsEnum ? Enum.ToObject(type, parameter.DefaultValue!) : parameter.DefaultValue;
        if (type == typeof(string)) return parameter.Name == "name" ? "user.x" : "/a";
        if (type == typeof(long)) return parameter.Name == "length" ? (long)B : 0L;
        if (type == typeof(int)) return 1;
        if (type == typeof(ushort)) return parameter.Name == "type" ? FileMode16.Fifo : (ushort)0b110_100_100;
        if (type == typeof(XfsFile)) return other;
        if (type == typeof(Stream)) return new MemoryStream(new byte[B]);
        if (type == typeof(Action<AtomicGroup>)) return (Action<AtomicGroup>)(_ => { });
        if (type == typeof(Func<Timestamp>)) return () => Timestamp.Now;
        if (type == typeof(IReadOnlyList<DedupeTarget>)) return new DedupeTarget[] { new(other, 0) };
        if (type == typeof(PosixAcl)) return null;
        if (type.IsValueType) return Activator.CreateInstance(type);
        throw new InvalidOperationException($"no argument of type {type} is at hand: give it a row");
    }
}
