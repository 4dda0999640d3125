using System.Runtime.InteropServices;

namespace ImageFs.Devices;

/// <summary>
/// A stretch of address space reserved once, into which pages of a file, zeros, or nothing are laid and replaced in place.
/// Linux only.
/// </summary>
/// <remarks>
/// <para>Always true: every page of the window is mapped by this window until long after <see cref="Close"/>. A span that
/// outlived its owner therefore meets no foreign memory: closing turns the pages into ones that nobody may touch, and the address
/// range goes back to the system only after <see cref="Grace"/>, when nothing pins it, with the next window that is made.</para>
/// <para>Replacing a page is atomic for readers: they see the old bytes or the new ones.</para>
/// </remarks>
internal sealed unsafe class AddressWindow
{
    private static readonly Lock s_lock = new();
    private static readonly Queue<(AddressWindow Window, long ClosedAt)> s_closed = [];
    private readonly byte* _start;
    private int _pins;

    private AddressWindow(nint start, long length)
    {
        _start = (byte*)start;
        Length = length;
    }

    /// <summary>How long the addresses of a closed window stay out of use.</summary>
    public static TimeSpan Grace { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>Bytes, a multiple of the page size.</summary>
    public long Length { get; }

    /// <summary>True when nobody may look into it any more.</summary>
    public bool IsClosed { get; private set; }

    /// <summary>Where it begins.</summary>
    public nint Address => (nint)_start;

    /// <summary>Bytes of the window; whether they may be touched is for what was laid there to say.</summary>
    public Span<byte> GetSpan(long at, int length)
    {
        Invariant.Holds(at >= 0 && length >= 0 && at <= Length - length, "a span lies inside the window");
        return new Span<byte>(_start + at, length);
    }

    /// <summary>As <see cref="GetSpan"/>, for as long as an owner allows.</summary>
    public Memory<byte> GetMemory(IMappingOwner owner, long at, int length)
    {
        Invariant.Holds(at >= 0 && length >= 0 && at <= Length - length, "a memory lies inside the window");
        return new MappedMemory(owner, _start + at, length).Memory;
    }

    /// <summary>Reserves address space; touching it is a fault until something is laid into it.</summary>
    /// <exception cref="XfsException">ENOMEM.</exception>
    public static AddressWindow Reserve(long length)
    {
        Recycle();
        length = PageUp(length);
        nint at = LinuxCalls.mmapAnonymous(0, checked((nuint)length), LinuxCalls.ProtectNone,
            LinuxCalls.MapPrivate | LinuxCalls.MapAnonymous | LinuxCalls.MapNoReserve, -1, 0);
        if (at == -1) throw Failed($"reserve {length} bytes of address space");
        return new AddressWindow(at, length);
    }

    /// <summary>The next multiple of the page size.</summary>
    public static long PageUp(long bytes) => checked(bytes + Environment.SystemPageSize - 1) & -(long)Environment.SystemPageSize;

    /// <summary>Lays a part of a file over a part of the window, both at page boundaries.</summary>
    /// <exception cref="XfsException">ENOMEM: the process has too many mappings.</exception>
    public void MapFile(long at, long length, FileDevice file, long offset, bool writable)
    {
        Check(at, length);
        int protection = LinuxCalls.ProtectRead | (writable ? LinuxCalls.ProtectWrite : 0);
        if (LinuxCalls.mmap((nint)(_start + at), (nuint)length, protection, LinuxCalls.MapShared | LinuxCalls.MapFixed, file.Handle, offset) == -1)
            throw Failed($"map {length} bytes of {file.Path} at offset {offset}");
    }

    /// <summary>Lays zeros over a part of the window; they take no memory.</summary>
    /// <inheritdoc cref="MapFile"/>
    public void MapZeros(long at, long length) => MapNothing(at, length, LinuxCalls.ProtectRead, "map zeros");

    /// <summary>Lets every touch of a part of the window be a fault.</summary>
    /// <inheritdoc cref="MapFile"/>
    public void Fence(long at, long length) => MapNothing(at, length, LinuxCalls.ProtectNone, "fence");

    /// <summary>Says whether pages of a file may be stored into.</summary>
    /// <inheritdoc cref="MapFile"/>
    public void Protect(long at, long length, bool writable)
    {
        Check(at, length);
        if (LinuxCalls.mprotect((nint)(_start + at), (nuint)length, LinuxCalls.ProtectRead | (writable ? LinuxCalls.ProtectWrite : 0)) != 0)
            throw Failed($"protect {length} bytes");
    }

    /// <summary>Fences everything. Whatever still points here dies when it looks, and never sees what is not its own.</summary>
    public void Close()
    {
        if (IsClosed) return;
        IsClosed = true;
        Fence(0, Length);
        lock (s_lock) s_closed.Enqueue((this, Environment.TickCount64));
    }

    /// <summary>Somebody holds an address: the range is not given back.</summary>
    public void AddPin() => Interlocked.Increment(ref _pins);

    /// <summary>The opposite of <see cref="AddPin"/>.</summary>
    public void RemovePin() => Interlocked.Decrement(ref _pins);

    /// <summary>Gives the addresses of windows closed long ago back.</summary>
    internal static void Recycle()
    {
        long now = Environment.TickCount64;
        lock (s_lock)
            for (int i = s_closed.Count; i > 0 && s_closed.TryPeek(out (AddressWindow Window, long ClosedAt) oldest); i--)
            {
                if (now - oldest.ClosedAt < Grace.TotalMilliseconds) return;
                s_closed.Dequeue();
                if (Volatile.Read(ref oldest.Window._pins) > 0) s_closed.Enqueue((oldest.Window, now));
                else _ = LinuxCalls.munmap((nint)oldest.Window._start, (nuint)oldest.Window.Length);
            }
    }

    private void MapNothing(long at, long length, int protection, string what)
    {
        Check(at, length);
        const int flags = LinuxCalls.MapPrivate | LinuxCalls.MapAnonymous | LinuxCalls.MapNoReserve | LinuxCalls.MapFixed;
        if (LinuxCalls.mmapAnonymous((nint)(_start + at), (nuint)length, protection, flags, -1, 0) == -1)
            throw Failed($"{what} over {length} bytes");
    }

    // MAP_FIXED replaces whatever is there: outside of the window that would be memory of somebody else.
    private void Check(long at, long length) => Invariant.Holds(at >= 0 && length > 0 && at <= Length - length
        && (at | length) % Environment.SystemPageSize == 0 && (!IsClosed || (at == 0 && length == Length)), "what is mapped lies inside the window");

    private static XfsException Failed(string what)
    {
        int errno = Marshal.GetLastPInvokeError();
        return new XfsException(errno, $"cannot {what}: {Marshal.GetPInvokeErrorMessage(errno)}");
    }
}
