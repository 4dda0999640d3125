using System.Buffers;
using ImageFs.Devices;
using ImageFs.Inodes;

namespace ImageFs.Dax;

/// <summary>
/// Bytes of a file where they lie in the mapped image, piece by piece, without copying. Takes no address space of its own, so
/// it is there for files with more pieces than a <see cref="DaxView"/> may have. While it is out the pieces stay where they are.
/// </summary>
public sealed class ReadLease : LayoutLease
{
    private ReadOnlySequence<byte> _bytes;

    internal ReadLease(Volume volume, OpenInode open, long offset, long length) : base(volume, open, offset, length) { }

    internal override bool IsForWriting => false;

    /// <summary>The bytes in order; holes and unwritten blocks are zeros. Its memory throws when used after the lease has ended.</summary>
    public ReadOnlySequence<byte> Sequence
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return _bytes;
        }
    }

    internal void Fill(ReadOnlySequence<byte> bytes) => _bytes = bytes;

    private protected override void Ended()
    {
        _bytes = default;
        Volume.Release(Open);
    }
}
