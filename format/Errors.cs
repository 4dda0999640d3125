namespace ImageFs;

/// <summary>The errno numbers (Linux) an <see cref="XfsException"/> can carry.</summary>
public static class Errno
{
    public const int EPERM = 1, ENOENT = 2, EIO = 5, E2BIG = 7, EBADF = 9, EAGAIN = 11, ENOMEM = 12, EACCES = 13, EBUSY = 16, EEXIST = 17,
        EXDEV = 18, ENOTDIR = 20, EISDIR = 21, EINVAL = 22, ETXTBSY = 26, EFBIG = 27, ENOSPC = 28, EROFS = 30, EMLINK = 31, ERANGE = 34,
        ENAMETOOLONG = 36, ENOTEMPTY = 39, ELOOP = 40, EBADE = 52, ENODATA = 61, EBADMSG = 74, EOVERFLOW = 75, EOPNOTSUPP = 95, ESTALE = 116,
        EUCLEAN = 117;
}

/// <summary>Base of everything the library throws about an image; carries the errno the kernel would have given.</summary>
public class XfsException(int errno, string message, Exception? inner = null) : IOException(message, inner)
{
    /// <summary>The Linux error number, see <see cref="ImageFs.Errno"/>.</summary>
    public int Errno { get; } = errno;
}

/// <summary>The image contradicts the format: EUCLEAN, or EBADMSG for a wrong checksum. Names structure, place, found and expected.</summary>
public sealed class CorruptionException : XfsException
{
    /// <summary>Reports one contradiction.</summary>
    /// <param name="structure">What was being read, by its XFS name (AGF, bnobt, inode 131 ...).</param>
    /// <param name="location">Where, in words that xfs_db users understand.</param>
    /// <param name="problem">What was found and what was expected.</param>
    /// <param name="errno">EUCLEAN unless it is a checksum.</param>
    public CorruptionException(string structure, string location, string problem, int errno = ImageFs.Errno.EUCLEAN)
        : base(errno, $"{structure} at {location}: {problem}")
    {
        Structure = structure;
        Location = location;
        Problem = problem;
    }

    /// <summary>The XFS name of the structure.</summary>
    public string Structure { get; }
    /// <summary>Where it lies.</summary>
    public string Location { get; }
    /// <summary>What was found and expected.</summary>
    public string Problem { get; }
}

/// <summary>ENOSPC: no room; the failing call changed nothing.</summary>
public sealed class XfsNoSpaceException(string message) : XfsException(ImageFs.Errno.ENOSPC, message);

/// <summary>The volume shut itself down after a failed write, flush or internal contradiction; every later call says why.</summary>
public sealed class XfsShutdownException(string message, Exception? inner = null) : XfsException(ImageFs.Errno.EIO, message, inner);

/// <summary>EBUSY: somebody else holds what the call needs.</summary>
public sealed class XfsBusyException(string message) : XfsException(ImageFs.Errno.EBUSY, message);

/// <summary>EOPNOTSUPP: the image has, or the call needs, a feature that is refused here by name.</summary>
public sealed class XfsUnsupportedException(string message) : XfsException(ImageFs.Errno.EOPNOTSUPP, message);
