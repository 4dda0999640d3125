// Short names of the seven cursors inside this assembly.
global using BnobtCursor = ImageFs.BTrees.BtreeCursor<ImageFs.BTrees.BnobtKind, ImageFs.Format.FreeSpaceRecord, ImageFs.Format.FreeSpaceRecord>;
global using CntbtCursor = ImageFs.BTrees.BtreeCursor<ImageFs.BTrees.CntbtKind, ImageFs.Format.FreeSpaceRecord, ImageFs.Format.FreeSpaceRecord>;
global using InobtCursor = ImageFs.BTrees.BtreeCursor<ImageFs.BTrees.InobtKind, ImageFs.Format.InodeChunkRecord, ImageFs.Format.BigEndian32>;
global using FinobtCursor = ImageFs.BTrees.BtreeCursor<ImageFs.BTrees.FinobtKind, ImageFs.Format.InodeChunkRecord, ImageFs.Format.BigEndian32>;
global using RmapbtCursor = ImageFs.BTrees.BtreeCursor<ImageFs.BTrees.RmapbtKind, ImageFs.Format.RmapRecord, ImageFs.Format.RmapKey>;
global using RefcountbtCursor = ImageFs.BTrees.BtreeCursor<ImageFs.BTrees.RefcountbtKind, ImageFs.Format.RefcountRecord, ImageFs.Format.BigEndian32>;
global using BmbtCursor = ImageFs.BTrees.BtreeCursor<ImageFs.BTrees.BmbtKind, ImageFs.Format.PackedExtent, ImageFs.Format.BigEndian64>;
