using ImageFs.Deduplication;

namespace ImageFs;

/// <content>Sharing whatever is equal.</content>
public sealed partial class FileSystem
{
    /// <summary>
    /// Finds equal blocks of files and lets them share. Contents, times and names stay as they are; what is equal is decided by
    /// comparing bytes. May be cancelled at any time: what was shared until then stays shared.
    /// </summary>
    /// <exception cref="XfsUnsupportedException">The file system was made without reflink.</exception>
    /// <exception cref="XfsNoSpaceException">No room for the records of more owners.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public DeduplicationReport Deduplicate(DeduplicationOptions? options = null, IProgress<DeduplicationProgress>? progress = null, CancellationToken cancellation = default) =>
        new Deduplicator(this, options ?? new DeduplicationOptions(), progress, cancellation).Execute();
}
