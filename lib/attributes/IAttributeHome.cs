using ImageFs.Allocation;
using ImageFs.Devices;
using ImageFs.Extents;

namespace ImageFs.Attributes;

/// <summary>What attributes need of the file system they live in: a mounted one, or one whose recovery is being finished.</summary>
internal interface IAttributeHome
{
    AllocationGroups Groups { get; }
    BlockMap Map { get; }

    /// <summary>Where values with blocks of their own are read and written.</summary>
    BlockDevice Data { get; }

    /// <summary>Such a value was written: it must be durable before the transaction that maps it.</summary>
    void NoteData();
}
