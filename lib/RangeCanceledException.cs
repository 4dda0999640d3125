namespace ImageFs;

/// <summary>An operation on a range was cancelled midway: a first part of it is done and stays, the rest is as it was (EINTR).</summary>
public sealed class RangeCanceledException : OperationCanceledException
{
    internal RangeCanceledException(long bytesDone, CancellationToken cancellation) : base($"cancelled after {bytesDone} bytes", cancellation) => BytesDone = bytesDone;

    /// <summary>Bytes from the start of the range that are done.</summary>
    public long BytesDone { get; }
}
