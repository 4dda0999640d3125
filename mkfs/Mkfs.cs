using ImageFs.Devices;

namespace ImageFs.Mkfs;

/// <summary>Makes XFS file systems.</summary>
public static class Mkfs
{
    /// <summary>Works out where everything will lie, without touching anything.</summary>
    /// <param name="options">What is wanted.</param>
    /// <param name="deviceBytes">Size of the device; null when it will be made to fit <see cref="MkfsOptions.Size"/>.</param>
    /// <exception cref="MkfsOptionException">No file system can be made from these options.</exception>
    public static MkfsPlan Plan(MkfsOptions options, long? deviceBytes = null) => Planner.Plan(options, deviceBytes);

    /// <summary>Makes a file system on a device and flushes it. Whatever the device held is lost.</summary>
    /// <param name="device">The device; its length is the size of the file system unless the options say otherwise.</param>
    /// <param name="options">What is wanted; null for all defaults.</param>
    /// <returns>The plan that was carried out, with the UUID the file system got.</returns>
    /// <exception cref="MkfsOptionException">No file system can be made from these options; nothing was written.</exception>
    /// <exception cref="XfsException">
    /// EEXIST: the device holds a file system or something else of value and <see cref="MkfsOptions.Force"/> is not set,
    /// nothing was written. Or the device failed.
    /// </exception>
    public static MkfsPlan Format(BlockDevice device, MkfsOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        options ??= new MkfsOptions();
        MkfsPlan plan = Plan(options, device.Length);
        RefuseToOverwrite(device, options);
        return Format(device, options, plan, isZero: false);
    }

    /// <summary>
    /// Makes a file system in an image file, which is created when it is not there and <see cref="MkfsOptions.Size"/> is given.
    /// </summary>
    /// <param name="path">The image.</param>
    /// <param name="options">What is wanted; null for all defaults.</param>
    /// <param name="planned">Told the plan before anything is written.</param>
    /// <returns>The plan that was carried out, with the UUID the file system got.</returns>
    /// <exception cref="MkfsOptionException">No file system can be made from these options; nothing was written.</exception>
    /// <exception cref="XfsException">
    /// EEXIST: see <see cref="Format(BlockDevice, MkfsOptions?)"/>. ENOENT: there is no such file and no size to make one.
    /// EBUSY: the image is open elsewhere or attached to a loop device. Or whatever the host says.
    /// </exception>
    public static MkfsPlan FormatFile(string path, MkfsOptions? options = null, Action<MkfsPlan>? planned = null) =>
        ImageFile.Format(path, options ?? new MkfsOptions(), planned);

    internal static MkfsPlan Format(BlockDevice device, MkfsOptions options, MkfsPlan plan, bool isZero)
    {
        Identity identity = new(plan, options.SourceDate);
        Formatter.Write(device, plan, identity, isZero, options.KeepBlocks);
        return plan with { Uuid = identity.Uuid.ToGuid() };
    }

    internal static void RefuseToOverwrite(BlockDevice device, MkfsOptions options)
    {
        if (!options.Force && Signatures.Find(device) is { } found)
            throw new XfsException(Errno.EEXIST, $"the image holds {found}; -f overwrites it");
    }
}
