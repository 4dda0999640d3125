meta:
  id: xfs
  title: XFS version 5, data device and log
  application: Linux kernel, xfsprogs
  license: MIT
  encoding: ISO-8859-1
  endian: be
  bit-endian: be
doc: |
  The on-disk format of XFS version 5. Numbers are big-endian, except checksums (crc32c) and what a log item
  says about itself, which are little-endian.

  Field names are XFS's own, without the prefix that repeats the structure's name. Structures that fill a sector, a
  block, an inode or a log record are read from a stream of exactly that size, so that `_io.size` bounds every count
  and every offset in them and none of them needs the superblock.

  Not described: version 4, the realtime device, and what only the metadata directory tree brings.
seq:
  - id: sb
    type: superblock
    doc: The superblock of group 0, by which everything else is found.
    valid:
      expr: >-
        _.magicnum == superblock::magics::xfsb
        and _.blocklog >= 9 and _.blocklog <= 16 and _.sectlog >= 9 and _.sectlog <= 15
        and _.inodelog >= 8 and _.inodelog <= 11 and _.inopblog == _.blocklog - _.inodelog
        and _.agblklog >= 1 and _.agblklog <= 31 and _.agblocks >= 1 and _.agcount >= 1
        and _.dirblklog <= 16 - _.blocklog
instances:
  block_size:
    value: 1 << sb.blocklog
  sector_size:
    value: 1 << sb.sectlog
  inode_size:
    value: 1 << sb.inodelog
  dir_block_size:
    value: 1 << (sb.blocklog + sb.dirblklog)
  ag_size:
    value: (sb.agblocks.as<s8> << sb.blocklog).as<s8>
    doc: Bytes of every group but the last, which may be shorter.
  ags_in_stream:
    value: ((_io.size + ag_size - 1) / ag_size).as<s8>
  log_offset:
    value: ((sb.logstart >> sb.agblklog).as<s8> * ag_size + ((sb.logstart.as<s8> & ((1.as<s8> << sb.agblklog) - 1)) << sb.blocklog)).as<s8>
    doc: Bytes from the start of the device; meaningless if the log is external (logstart is 0).
  ags:
    type: allocation_group(_index)
    repeat: expr
    repeat-expr: 'sb.agcount < ags_in_stream ? sb.agcount.as<s8> : ags_in_stream'
  log_first_record:
    pos: log_offset
    type: log_record
    if: sb.logstart != 0
    doc: Records follow each other in a ring; where the newest ends is found by the cycle numbers.
types:

  # ---- superblock and allocation groups ---------------------------------------------------------------------------

  superblock:
    doc: |
      xfs_dsb, first sector of every group. Only the one of group 0 is read at mount; the others are copies
      whose counters and inode numbers are out of date.
    seq:
      - {id: magicnum, type: u4, enum: magics}
      - id: blocksize
        type: u4
        doc: Bytes of a block.
      - {id: dblocks, type: u8}
      - {id: rblocks, type: u8}
      - {id: rextents, type: u8}
      - {id: uuid, size: 16}
      - id: logstart
        type: u8
        doc: fsbno of the internal log, 0 if it is external.
      - {id: rootino, type: u8}
      - {id: rbmino, type: u8}
      - {id: rsumino, type: u8}
      - {id: rextsize, type: u4}
      - {id: agblocks, type: u4}
      - {id: agcount, type: u4}
      - {id: rbmblocks, type: u4}
      - {id: logblocks, type: u4}
      - {id: versionnum, type: u2}
      - {id: sectsize, type: u2}
      - {id: inodesize, type: u2}
      - {id: inopblock, type: u2}
      - id: fname
        type: str
        size: 12
        doc: The label.
      - {id: blocklog, type: u1}
      - {id: sectlog, type: u1}
      - {id: inodelog, type: u1}
      - {id: inopblog, type: u1}
      - {id: agblklog, type: u1}
      - {id: rextslog, type: u1}
      - {id: inprogress, type: u1}
      - {id: imax_pct, type: u1}
      - {id: icount, type: u8}
      - {id: ifree, type: u8}
      - {id: fdblocks, type: u8}
      - {id: frextents, type: u8}
      - {id: uquotino, type: u8}
      - {id: gquotino, type: u8}
      - {id: qflags, type: u2}
      - {id: flags, type: u1}
      - {id: shared_vn, type: u1}
      - id: inoalignmt
        type: u4
        doc: Alignment of inode chunks in blocks.
      - {id: unit, type: u4}
      - {id: width, type: u4}
      - id: dirblklog
        type: u1
        doc: log2 of blocks in a directory block.
      - {id: logsectlog, type: u1}
      - {id: logsectsize, type: u2}
      - id: logsunit
        type: u4
        doc: Log stripe unit in bytes, 1 if there is none.
      - {id: features2, type: u4}
      - {id: bad_features2, type: u4}
      - {id: features_compat, type: u4}
      - {id: features_ro_compat, type: u4}
      - {id: features_incompat, type: u4}
      - {id: features_log_incompat, type: u4}
      - {id: crc, type: u4le}
      - {id: spino_align, type: u4}
      - {id: pquotino, type: u8}
      - {id: lsn, type: u8}
      - id: meta_uuid
        size: 16
        doc: What metadata blocks carry if has_meta_uuid, otherwise zero.
      - {id: metadirino, type: u8}
      - {id: rgcount, type: u4}
      - {id: rgextents, type: u4}
      - {id: rgblklog, type: u1}
      - {id: pad, size: 7}
      - {id: rtstart, type: u8}
      - {id: rtreserved, type: u8}
    instances:
      version:
        value: versionnum & 0xf
      has_finobt:
        value: (features_ro_compat & 0x1) != 0
      has_rmapbt:
        value: (features_ro_compat & 0x2) != 0
      has_reflink:
        value: (features_ro_compat & 0x4) != 0
      has_inobtcount:
        value: (features_ro_compat & 0x8) != 0
      has_ftype:
        value: (features_incompat & 0x1) != 0
      has_sparse_inodes:
        value: (features_incompat & 0x2) != 0
      has_meta_uuid:
        value: (features_incompat & 0x4) != 0
      has_bigtime:
        value: (features_incompat & 0x8) != 0
      needs_repair:
        value: (features_incompat & 0x10) != 0
      has_nrext64:
        value: (features_incompat & 0x20) != 0
      has_exchange_range:
        value: (features_incompat & 0x40) != 0
      has_parent_pointers:
        value: (features_incompat & 0x80) != 0
      has_metadir:
        value: (features_incompat & 0x100) != 0
      has_log_xattrs:
        value: (features_log_incompat & 0x1) != 0
    enums:
      magics:
        0x58465342: xfsb

  allocation_group:
    doc: Where the headers and the roots of one group are. Reading one root does not read the others.
    params:
      - {id: number, type: s4}
    instances:
      offset:
        value: (number.as<s8> * _root.ag_size).as<s8>
      superblock_copy:
        pos: offset
        size: _root.sector_size
        type: superblock
      agf:
        pos: offset + _root.sector_size
        size: _root.sector_size
        type: agf
      agi:
        pos: offset + 2 * _root.sector_size
        size: _root.sector_size
        type: agi
      agfl:
        pos: offset + 3 * _root.sector_size
        size: _root.sector_size
        type: agfl
      bnobt_root:
        pos: offset + (agf.bnoroot.as<s8> << _root.sb.blocklog)
        size: _root.block_size
        type: btree_short_block
      cntbt_root:
        pos: offset + (agf.cntroot.as<s8> << _root.sb.blocklog)
        size: _root.block_size
        type: btree_short_block
      inobt_root:
        pos: offset + (agi.root.as<s8> << _root.sb.blocklog)
        size: _root.block_size
        type: btree_short_block
      finobt_root:
        pos: offset + (agi.free_root.as<s8> << _root.sb.blocklog)
        size: _root.block_size
        type: btree_short_block
        if: _root.sb.has_finobt
      rmapbt_root:
        pos: offset + (agf.rmaproot.as<s8> << _root.sb.blocklog)
        size: _root.block_size
        type: btree_short_block
        if: _root.sb.has_rmapbt
      refcountbt_root:
        pos: offset + (agf.refcntroot.as<s8> << _root.sb.blocklog)
        size: _root.block_size
        type: btree_short_block
        if: _root.sb.has_reflink

  agf:
    doc: xfs_agf, sector 1 of a group. Roots and levels of the trees of space, the state of the free list, counters.
    seq:
      - {id: magicnum, type: u4, enum: magics}
      - {id: versionnum, type: u4}
      - {id: seqno, type: u4}
      - {id: length, type: u4}
      - {id: bnoroot, type: u4}
      - {id: cntroot, type: u4}
      - {id: rmaproot, type: u4}
      - {id: bnolevel, type: u4}
      - {id: cntlevel, type: u4}
      - {id: rmaplevel, type: u4}
      - {id: flfirst, type: u4}
      - {id: fllast, type: u4}
      - {id: flcount, type: u4}
      - {id: freeblks, type: u4}
      - {id: longest, type: u4}
      - id: btreeblks
        type: u4
        doc: Blocks of bnobt, cntbt and rmapbt without their roots.
      - {id: uuid, size: 16}
      - {id: rmapblocks, type: u4}
      - {id: refcntblocks, type: u4}
      - {id: refcntroot, type: u4}
      - {id: refcntlevel, type: u4}
      - {id: spare, size: 112}
      - {id: lsn, type: u8}
      - {id: crc, type: u4le}
      - {id: pad, type: u4}
    enums:
      magics:
        0x58414746: xagf

  agi:
    doc: xfs_agi, sector 2 of a group. Roots of the inode trees, counters, and the lists of inodes without a name.
    seq:
      - {id: magicnum, type: u4, enum: magics}
      - {id: versionnum, type: u4}
      - {id: seqno, type: u4}
      - {id: length, type: u4}
      - {id: count, type: u4}
      - {id: root, type: u4}
      - {id: level, type: u4}
      - {id: freecount, type: u4}
      - {id: newino, type: u4}
      - {id: dirino, type: u4}
      - id: unlinked
        type: u4
        repeat: expr
        repeat-expr: 64
        doc: First agino of each list, all ones if it is empty. An inode is on list agino mod 64.
      - {id: uuid, size: 16}
      - {id: crc, type: u4le}
      - {id: pad, type: u4}
      - {id: lsn, type: u8}
      - {id: free_root, type: u4}
      - {id: free_level, type: u4}
      - {id: ino_blocks, type: u4}
      - {id: fino_blocks, type: u4}
    enums:
      magics:
        0x58414749: xagi

  agfl:
    doc: xfs_agfl, sector 3 of a group. A ring of block numbers; the AGF says which slots are in use.
    seq:
      - {id: header, type: agfl_header}
      - id: bno
        type: u4
        repeat: expr
        repeat-expr: (_io.size - 36) / 4

  agfl_header:
    seq:
      - {id: magicnum, type: u4, enum: magics}
      - {id: seqno, type: u4}
      - {id: uuid, size: 16}
      - {id: lsn, type: u8}
      - {id: crc, type: u4le}
    enums:
      magics:
        0x5841464c: xafl

  # ---- btrees -----------------------------------------------------------------------------------------------------

  btree_short_block:
    doc: |
      xfs_btree_block of a tree inside a group. A leaf holds records; a node holds keys and, from where the last
      possible key would end, as many block numbers.
    seq:
      - id: header
        type: btree_short_header
        valid:
          expr: _.numrecs <= maxrecs
      - id: recs
        type:
          switch-on: header.magic
          cases:
            btree_magic::bnobt: alloc_rec
            btree_magic::cntbt: alloc_rec
            btree_magic::inobt: inobt_rec
            btree_magic::finobt: inobt_rec
            btree_magic::rmapbt: rmap_rec
            btree_magic::refcountbt: refcount_rec
        repeat: expr
        repeat-expr: header.numrecs
        if: header.level == 0
      - id: keys
        type:
          switch-on: header.magic
          cases:
            btree_magic::bnobt: alloc_rec
            btree_magic::cntbt: alloc_rec
            btree_magic::inobt: inobt_key
            btree_magic::finobt: inobt_key
            btree_magic::rmapbt: rmap_key_pair
            btree_magic::refcountbt: refcount_key
        repeat: expr
        repeat-expr: header.numrecs
        if: header.level > 0
    instances:
      is_alloc:
        value: header.magic == btree_magic::bnobt or header.magic == btree_magic::cntbt
      is_ino:
        value: header.magic == btree_magic::inobt or header.magic == btree_magic::finobt
      rec_size:
        value: 'is_alloc ? 8 : is_ino ? 16 : header.magic == btree_magic::rmapbt ? 24 : 12'
      key_size:
        value: 'is_alloc ? 8 : header.magic == btree_magic::rmapbt ? 40 : 4'
        doc: In the rmapbt each child has two keys, the lowest and the highest.
      maxrecs:
        value: '((_io.size - 56) / (header.level == 0 ? rec_size : key_size + 4)).as<s4>'
        doc: What fits into the block.
      ptrs:
        pos: 56 + maxrecs * key_size
        type: u4
        repeat: expr
        repeat-expr: header.numrecs
        if: header.level > 0
        doc: agbno of the children.

  btree_short_header:
    doc: The 56 bytes before records or keys. Siblings are agbno (all ones if there is none), the owner is the group.
    seq:
      - {id: magic, type: u4, enum: btree_magic}
      - {id: level, type: u2}
      - {id: numrecs, type: u2}
      - {id: leftsib, type: u4}
      - {id: rightsib, type: u4}
      - id: blkno
        type: u8
        doc: Own address in units of 512 bytes.
      - {id: lsn, type: u8}
      - {id: uuid, size: 16}
      - {id: owner, type: u4}
      - {id: crc, type: u4le}

  btree_long_block:
    doc: |
      xfs_btree_block of a bmbt; also the root of a bmbt as the log carries it. Laid out as btree_short_block, with
      block numbers of 8 bytes.
    seq:
      - id: header
        type: btree_long_header
        valid:
          expr: _.numrecs <= maxrecs
      - id: recs
        type: bmbt_rec
        repeat: expr
        repeat-expr: header.numrecs
        if: header.level == 0
      - id: keys
        type: bmbt_key
        repeat: expr
        repeat-expr: header.numrecs
        if: header.level > 0
    instances:
      maxrecs:
        value: ((_io.size - 72) / 16).as<s4>
      ptrs:
        pos: 72 + maxrecs * 8
        type: u8
        repeat: expr
        repeat-expr: header.numrecs
        if: header.level > 0
        doc: fsbno of the children.

  btree_long_header:
    doc: The 72 bytes before records or keys. Siblings are fsbno, the owner is an inode.
    seq:
      - {id: magic, type: u4, enum: btree_magic}
      - {id: level, type: u2}
      - {id: numrecs, type: u2}
      - {id: leftsib, type: u8}
      - {id: rightsib, type: u8}
      - {id: blkno, type: u8}
      - {id: lsn, type: u8}
      - {id: uuid, size: 16}
      - {id: owner, type: u8}
      - {id: crc, type: u4le}
      - {id: pad, type: u4}

  alloc_rec:
    doc: A run of free blocks; record and key of bnobt and cntbt.
    seq:
      - {id: startblock, type: u4}
      - {id: blockcount, type: u4}

  inobt_rec:
    doc: |
      A chunk of 64 inodes. Without sparse inodes the 32 bits behind startino are one number, the free count, which
      full_freecount gives.
    seq:
      - {id: startino, type: u4}
      - id: holemask
        type: u2
        doc: Bit i stands for inodes 4i to 4i+3; 1 if they have no blocks.
      - {id: count, type: u1}
      - {id: freecount, type: u1}
      - id: free
        type: u8
        doc: Bit i is set if inode startino+i is free.
    instances:
      full_freecount:
        value: (holemask << 16) | (count << 8) | freecount
        if: holemask == 0 and count == 0

  inobt_key:
    seq:
      - {id: startino, type: u4}

  rmap_rec:
    doc: |
      Who owns a run of blocks, and where in its data or attribute fork the run begins. Owners from -9 to -1 are no
      inodes.
    seq:
      - {id: startblock, type: u4}
      - {id: blockcount, type: u4}
      - {id: owner, type: u8}
      - {id: attrfork, type: b1}
      - {id: bmbtblock, type: b1}
      - id: extentflag
        type: b1
        doc: Unwritten.
      - {id: reserved, type: b7}
      - {id: offset, type: b54}

  rmap_key:
    doc: An rmap_rec without its length; the unwritten bit is always 0.
    seq:
      - {id: startblock, type: u4}
      - {id: owner, type: u8}
      - {id: attrfork, type: b1}
      - {id: bmbtblock, type: b1}
      - {id: extentflag, type: b1}
      - {id: reserved, type: b7}
      - {id: offset, type: b54}

  rmap_key_pair:
    doc: The lowest and the highest key below one child of a node.
    seq:
      - {id: low, type: rmap_key}
      - {id: high, type: rmap_key}

  refcount_rec:
    doc: How often a run of blocks is mapped; with cowflag it is a reservation of a CoW fork.
    seq:
      - {id: cowflag, type: b1}
      - {id: startblock, type: b31}
      - {id: blockcount, type: u4}
      - {id: refcount, type: u4}

  refcount_key:
    seq:
      - {id: cowflag, type: b1}
      - {id: startblock, type: b31}

  bmbt_rec:
    doc: One extent of a file, in extent lists and in leaves of a bmbt.
    seq:
      - id: extentflag
        type: b1
        doc: Unwritten.
      - {id: startoff, type: b54}
      - id: startblock
        type: b52
        doc: fsbno.
      - {id: blockcount, type: b21}

  bmbt_key:
    seq:
      - {id: startoff, type: u8}

  # ---- inodes -----------------------------------------------------------------------------------------------------

  dinode:
    doc: An inode of version 3. Data fork and attribute fork share what the core leaves.
    params:
      - id: has_ftype
        type: bool
        doc: Directory entries carry a file type; a feature of the superblock.
    seq:
      - id: core
        type: dinode_core(false)
        valid:
          expr: _.forkoff * 8 <= _io.size - 176
      - id: data_fork
        size: data_fork_size
        type:
          switch-on: data_fork_kind
          cases:
            fork_kind::dev: fork_dev
            fork_kind::extents: fork_extents(core.nextents)
            fork_kind::btree: fork_btree
            fork_kind::directory: fork_directory(has_ftype)
            fork_kind::symlink: fork_symlink(core.size)
            fork_kind::local: fork_local(core.size)
      - id: attr_fork
        size-eos: true
        type:
          switch-on: attr_fork_kind
          cases:
            fork_kind::extents: fork_extents(core.anextents)
            fork_kind::btree: fork_btree
            fork_kind::attributes: fork_attributes
        if: core.forkoff != 0
    instances:
      data_fork_size:
        value: '(core.forkoff != 0 ? core.forkoff * 8 : _io.size - 176).as<s4>'
      data_fork_kind:
        value: |
          core.format == dinode_fmt::dev ? fork_kind::dev
          : core.format == dinode_fmt::extents ? fork_kind::extents
          : core.format == dinode_fmt::btree ? fork_kind::btree
          : core.format != dinode_fmt::local ? fork_kind::unknown
          : core.file_type == file_type::directory ? fork_kind::directory
          : core.file_type == file_type::symlink ? fork_kind::symlink
          : fork_kind::local
      attr_fork_kind:
        value: |
          core.aformat == dinode_fmt::extents ? fork_kind::extents
          : core.aformat == dinode_fmt::btree ? fork_kind::btree
          : core.aformat == dinode_fmt::local ? fork_kind::attributes
          : fork_kind::unknown

  dinode_core:
    doc: |
      xfs_dinode on disk; xfs_log_dinode in an inode item, the same in little-endian. Times are nanoseconds since
      1901-12-13 20:45:52 UTC with BIGTIME, otherwise 32 bits of seconds since 1970 followed by 32 bits of nanoseconds.
    meta:
      endian:
        switch-on: in_log
        cases:
          true: le
          false: be
    params:
      - {id: in_log, type: bool}
    seq:
      - {id: magic, type: u2, enum: dinode_magic}
      - {id: mode, type: u2}
      - {id: version, type: u1}
      - {id: format, type: u1, enum: dinode_fmt}
      - {id: onlink, type: u2}
      - {id: uid, type: u4}
      - {id: gid, type: u4}
      - {id: nlink, type: u4}
      - {id: projid_lo, type: u2}
      - {id: projid_hi, type: u2}
      - id: big_nextents
        type: u8
        doc: Extents of the data fork, with NREXT64 only.
      - {id: atime, type: u8}
      - {id: mtime, type: u8}
      - {id: ctime, type: u8}
      - {id: size, type: u8}
      - {id: nblocks, type: u8}
      - {id: extsize, type: u4}
      - id: old_nextents
        type: u4
        doc: Extents of the data fork; with NREXT64 those of the attribute fork.
      - id: old_anextents
        type: u2
        doc: Extents of the attribute fork; 0 with NREXT64.
      - id: forkoff
        type: u1
        doc: Where the attribute fork begins, in units of 8 bytes from the end of the core; 0 if there is none.
      - {id: aformat, type: u1, enum: dinode_fmt}
      - {id: dmevmask, type: u4}
      - {id: dmstate, type: u2}
      - {id: flags, type: u2}
      - {id: gen, type: u4}
      - id: next_unlinked
        type: u4
        doc: agino, all ones at the end of the list.
      - {id: crc, type: u4le}
      - {id: change_count, type: u8}
      - {id: lsn, type: u8}
      - {id: flags2, type: u8}
      - {id: cowextsize, type: u4}
      - {id: pad, size: 12}
      - {id: crtime, type: u8}
      - {id: ino, type: u8}
      - {id: uuid, size: 16}
    instances:
      file_type:
        value: (mode >> 12).as<u1>
        enum: file_type
      has_bigtime:
        value: (flags2 & 0x8) != 0
      has_nrext64:
        value: (flags2 & 0x10) != 0
      has_reflink:
        value: (flags2 & 0x2) != 0
      nextents:
        value: '(has_nrext64 ? big_nextents : old_nextents.as<u8>).as<u8>'
      anextents:
        value: '(has_nrext64 ? old_nextents.as<u8> : old_anextents.as<u8>).as<u8>'
      projid:
        value: ((projid_hi.as<u8> << 16) | projid_lo).as<u8>
      atime_sec:
        value: |
          (has_bigtime ? (atime / 1000000000).as<s8> - 2147483648
          : ((((in_log ? atime & 0xffffffff : atime >> 32).as<s8>) ^ 2147483648) - 2147483648)).as<s8>
      atime_nsec:
        value: '(has_bigtime ? atime - atime / 1000000000 * 1000000000 : in_log ? atime >> 32 : atime & 0xffffffff).as<u8>'
      mtime_sec:
        value: |
          (has_bigtime ? (mtime / 1000000000).as<s8> - 2147483648
          : ((((in_log ? mtime & 0xffffffff : mtime >> 32).as<s8>) ^ 2147483648) - 2147483648)).as<s8>
      mtime_nsec:
        value: '(has_bigtime ? mtime - mtime / 1000000000 * 1000000000 : in_log ? mtime >> 32 : mtime & 0xffffffff).as<u8>'
      ctime_sec:
        value: |
          (has_bigtime ? (ctime / 1000000000).as<s8> - 2147483648
          : ((((in_log ? ctime & 0xffffffff : ctime >> 32).as<s8>) ^ 2147483648) - 2147483648)).as<s8>
      ctime_nsec:
        value: '(has_bigtime ? ctime - ctime / 1000000000 * 1000000000 : in_log ? ctime >> 32 : ctime & 0xffffffff).as<u8>'
      crtime_sec:
        value: |
          (has_bigtime ? (crtime / 1000000000).as<s8> - 2147483648
          : ((((in_log ? crtime & 0xffffffff : crtime >> 32).as<s8>) ^ 2147483648) - 2147483648)).as<s8>
      crtime_nsec:
        value: '(has_bigtime ? crtime - crtime / 1000000000 * 1000000000 : in_log ? crtime >> 32 : crtime & 0xffffffff).as<u8>'

  fork_dev:
    doc: A device's number, major << 18 | minor; 0 for fifos, sockets and inodes never used.
    seq:
      - {id: dev, type: u4}

  fork_extents:
    doc: The extents themselves, as many as the core says.
    params:
      - {id: count, type: u8}
    seq:
      - id: recs
        type: bmbt_rec
        repeat: expr
        repeat-expr: 'count > 65536 ? 65536 : count.as<s4>'

  fork_btree:
    doc: xfs_bmdr_block, the root of a bmbt. Laid out as a node.
    seq:
      - {id: level, type: u2}
      - id: numrecs
        type: u2
        valid:
          max: maxrecs
      - id: keys
        type: bmbt_key
        repeat: expr
        repeat-expr: numrecs
    instances:
      maxrecs:
        value: ((_io.size - 4) / 16).as<s4>
      ptrs:
        pos: 4 + maxrecs * 8
        type: u8
        repeat: expr
        repeat-expr: numrecs
        doc: fsbno of the children.

  fork_directory:
    doc: xfs_dir2_sf, a directory in short form. If any inode number needs it, all of them have 8 bytes.
    params:
      - {id: has_ftype, type: bool}
    seq:
      - {id: count, type: u1}
      - {id: i8count, type: u1}
      - id: parent
        type: dir_sf_ino(i8count != 0)
      - id: entries
        type: dir_sf_entry(has_ftype, i8count != 0)
        repeat: expr
        repeat-expr: count

  dir_sf_ino:
    params:
      - {id: is_wide, type: bool}
    seq:
      - id: narrow
        type: u4
        if: not is_wide
      - id: wide
        type: u8
        if: is_wide
    instances:
      ino:
        value: '(is_wide ? wide : narrow.as<u8>).as<u8>'

  dir_sf_entry:
    params:
      - {id: has_ftype, type: bool}
      - {id: is_wide, type: bool}
    seq:
      - {id: namelen, type: u1}
      - id: offset
        type: u2
        doc: Where the entry would lie in a directory block.
      - {id: name, type: str, size: namelen}
      - id: ftype
        type: u1
        enum: dirent_type
        if: has_ftype
      - id: inumber
        type: dir_sf_ino(is_wide)

  fork_symlink:
    params:
      - {id: len, type: u8}
    seq:
      - {id: target, type: str, size: len}

  fork_local:
    params:
      - {id: len, type: u8}
    seq:
      - {id: contents, size: len}

  fork_attributes:
    doc: xfs_attr_sf, extended attributes in short form.
    seq:
      - {id: totsize, type: u2}
      - {id: count, type: u1}
      - {id: pad, type: u1}
      - id: entries
        type: attr_sf_entry
        repeat: expr
        repeat-expr: count

  attr_sf_entry:
    seq:
      - {id: namelen, type: u1}
      - {id: valuelen, type: u1}
      - {id: flags, type: attr_flags}
      - {id: name, type: str, size: namelen}
      - id: value
        type: attr_value(valuelen, flags, name)
        size: valuelen

  attr_flags:
    seq:
      - {id: incomplete, type: b1}
      - {id: reserved, type: b3}
      - {id: parent, type: b1}
      - {id: secure, type: b1}
      - id: root
        type: b1
        doc: The namespace trusted; also where POSIX ACLs are.
      - id: local
        type: b1
        doc: The value stands behind the name; leaf blocks only.

  attr_value:
    doc: A value, and what it means if its name says so.
    params:
      - {id: len, type: u4}
      - {id: flags, type: attr_flags}
      - {id: name, type: str}
    seq:
      - {id: bytes, size: len}
    instances:
      parent:
        pos: 0
        type: parent_rec
        if: flags.parent
      acl:
        pos: 0
        type: posix_acl
        if: flags.root and (name == "SGI_ACL_FILE" or name == "SGI_ACL_DEFAULT")

  parent_rec:
    doc: xfs_parent_rec, the value of a parent pointer whose name is that of the directory entry.
    seq:
      - {id: ino, type: u8}
      - {id: gen, type: u4}

  posix_acl:
    doc: xfs_acl.
    seq:
      - id: count
        type: u4
        valid:
          max: (_io.size - 4) / 12
      - id: entries
        type: posix_acl_entry
        repeat: expr
        repeat-expr: count

  posix_acl_entry:
    seq:
      - {id: tag, type: u4, enum: tags}
      - {id: id, type: u4}
      - {id: perm, type: u2}
      - {id: pad, type: u2}
    enums:
      tags:
        1: user_obj
        2: user
        4: group_obj
        8: group
        16: mask
        32: other

  dquot_rec:
    doc: xfs_dqblk, 136 bytes; a block of a quota inode holds as many as fit.
    seq:
      - {id: disk, type: dquot}
      - {id: fill, type: u4}
      - {id: crc, type: u4le}
      - {id: lsn, type: u8}
      - {id: uuid, size: 16}

  dquot:
    doc: xfs_disk_dquot, 104 bytes; also what a dquot item in the log carries.
    seq:
      - id: magic
        type: u2
        doc: 0x4451.
      - {id: version, type: u1}
      - {id: type, type: u1}
      - {id: id, type: u4}
      - {id: blk_hardlimit, type: u8}
      - {id: blk_softlimit, type: u8}
      - {id: ino_hardlimit, type: u8}
      - {id: ino_softlimit, type: u8}
      - {id: bcount, type: u8}
      - {id: icount, type: u8}
      - {id: itimer, type: u4}
      - {id: btimer, type: u4}
      - {id: iwarns, type: u2}
      - {id: bwarns, type: u2}
      - {id: pad0, type: u4}
      - {id: rtb_hardlimit, type: u8}
      - {id: rtb_softlimit, type: u8}
      - {id: rtbcount, type: u8}
      - {id: rtbtimer, type: u4}
      - {id: rtbwarns, type: u2}
      - {id: pad, type: u2}

  # ---- directories ------------------------------------------------------------------------------------------------

  dir_block:
    doc: |
      A directory of one block (XDB3): entries from the front, their hashes and places sorted by hash at the end.
    params:
      - {id: has_ftype, type: bool}
    seq:
      - {id: header, type: dir_data_header}
      - id: entries
        type: dir_data_entry(has_ftype)
        repeat: until
        repeat-until: _io.pos >= leaf_pos
        if: leaf_pos > 64
    instances:
      tail:
        pos: _io.size - 8
        type: dir_block_tail
        valid:
          expr: _.count <= (_io.size - 72) / 8
      leaf_pos:
        value: (_io.size - 8 - 8 * tail.count).as<s4>
      leaf:
        pos: leaf_pos
        type: dir_leaf_entry
        repeat: expr
        repeat-expr: tail.count

  dir_data_block:
    doc: A block of a larger directory that holds nothing but entries (XDD3).
    params:
      - {id: has_ftype, type: bool}
    seq:
      - {id: header, type: dir_data_header}
      - id: entries
        type: dir_data_entry(has_ftype)
        repeat: eos

  dir_data_header:
    doc: xfs_dir3_data_hdr, with the three largest free regions.
    seq:
      - {id: magic, type: u4, enum: dir_magic}
      - {id: crc, type: u4le}
      - {id: blkno, type: u8}
      - {id: lsn, type: u8}
      - {id: uuid, size: 16}
      - {id: owner, type: u8}
      - id: best_free
        type: dir_data_free
        repeat: expr
        repeat-expr: 3
      - {id: pad, type: u4}

  dir_data_free:
    seq:
      - {id: offset, type: u2}
      - {id: length, type: u2}

  dir_data_entry:
    doc: A name, or a free region, which begins with ffff. Both end with their own offset in the block.
    params:
      - {id: has_ftype, type: bool}
    seq:
      - id: freetag
        type: u2
        if: is_free
      - id: length
        type: u2
        valid:
          min: 8
          max: _io.size - start_pos
        if: is_free
      - id: filler
        size: length.as<u2> - 6
        if: is_free
      - id: inumber
        type: u8
        if: not is_free
      - id: namelen
        type: u1
        if: not is_free
      - id: name
        type: str
        size: namelen.as<u1>
        if: not is_free
      - id: ftype
        type: u1
        enum: dirent_type
        if: not is_free and has_ftype
      - id: padding
        size: (start_pos - _io.pos - 2) & 7
        if: not is_free
      - {id: tag, type: u2}
    instances:
      start_pos:
        value: _io.pos.as<s4>
      lead:
        pos: start_pos
        type: u2
      is_free:
        value: lead == 0xffff

  dir_leaf_entry:
    doc: A name's hash, and where its entry is, in units of 8 bytes of data space; 0 if the name was removed.
    seq:
      - {id: hashval, type: u4}
      - {id: address, type: u4}

  dir_block_tail:
    seq:
      - {id: count, type: u4}
      - {id: stale, type: u4}

  da_blkinfo:
    doc: |
      xfs_da3_blkinfo, what the blocks of directories and attributes that are found by hash begin with. Neighbours are
      numbers of file blocks, 0 if there is none.
    seq:
      - {id: forw, type: u4}
      - {id: back, type: u4}
      - {id: magic, type: u2, enum: da_magic}
      - {id: pad, type: u2}
      - {id: crc, type: u4le}
      - {id: blkno, type: u8}
      - {id: lsn, type: u8}
      - {id: uuid, size: 16}
      - {id: owner, type: u8}

  dir_leaf_block:
    doc: |
      Names of a directory sorted by hash. The only leaf of a directory (leaf1) ends with the longest free region of
      each data block; of several leaves (leafn) none does, there are dir_free_blocks.
    seq:
      - id: header
        type: dir_leaf_header
        valid:
          expr: _.count <= (_io.size - 64) / 8
      - id: entries
        type: dir_leaf_entry
        repeat: expr
        repeat-expr: header.count
    instances:
      bestcount:
        pos: _io.size - 4
        type: u4
        valid:
          max: (_io.size - 68) / 2
        if: header.info.magic == da_magic::leaf1
      bests:
        pos: _io.size - 4 - 2 * bestcount.as<s4>
        type: u2
        repeat: expr
        repeat-expr: bestcount.as<s4>
        if: header.info.magic == da_magic::leaf1

  dir_leaf_header:
    seq:
      - {id: info, type: da_blkinfo}
      - {id: count, type: u2}
      - {id: stale, type: u2}
      - {id: pad, type: u4}

  da_node_block:
    doc: xfs_da_intnode, a node above the leaves of a directory or an attribute fork.
    seq:
      - id: header
        type: da_node_header
        valid:
          expr: _.count <= (_io.size - 64) / 8
      - id: entries
        type: da_node_entry
        repeat: expr
        repeat-expr: header.count

  da_node_header:
    seq:
      - {id: info, type: da_blkinfo}
      - {id: count, type: u2}
      - {id: level, type: u2}
      - {id: pad, type: u4}

  da_node_entry:
    doc: The greatest hash below a child, and the child's file block.
    seq:
      - {id: hashval, type: u4}
      - {id: before, type: u4}

  dir_free_block:
    doc: xfs_dir3_free (XDF3), the longest free region of each data block of a directory with several leaves.
    seq:
      - id: header
        type: dir_free_header
        valid:
          expr: _.nvalid <= (_io.size - 64) / 2
      - id: bests
        type: u2
        repeat: expr
        repeat-expr: header.nvalid

  dir_free_header:
    seq:
      - {id: magic, type: u4, enum: dir_magic}
      - {id: crc, type: u4le}
      - {id: blkno, type: u8}
      - {id: lsn, type: u8}
      - {id: uuid, size: 16}
      - {id: owner, type: u8}
      - {id: firstdb, type: u4}
      - {id: nvalid, type: u4}
      - {id: nused, type: u4}
      - {id: pad, type: u4}

  # ---- extended attributes and symbolic links ---------------------------------------------------------------------

  attr_leaf_block:
    doc: |
      xfs_attr_leafblock. Entries sorted by hash grow from the front, names and small values from the end.
    seq:
      - id: header
        type: attr_leaf_header
        valid:
          expr: _.count <= (_io.size - 80) / 8
      - id: entries
        type: attr_leaf_entry
        repeat: expr
        repeat-expr: header.count

  attr_leaf_header:
    seq:
      - {id: info, type: da_blkinfo}
      - {id: count, type: u2}
      - {id: usedbytes, type: u2}
      - {id: firstused, type: u2}
      - {id: holes, type: u1}
      - {id: pad1, type: u1}
      - id: freemap
        type: attr_freemap
        repeat: expr
        repeat-expr: 3
      - {id: pad2, type: u4}

  attr_freemap:
    seq:
      - {id: base, type: u2}
      - {id: size, type: u2}

  attr_leaf_entry:
    seq:
      - {id: hashval, type: u4}
      - id: nameidx
        type: u2
        doc: Where in the block the name is.
      - {id: flags, type: attr_flags}
      - {id: pad, type: u1}
    instances:
      local:
        pos: nameidx
        type: attr_name_local(flags)
        if: flags.local
      remote:
        pos: nameidx
        type: attr_name_remote
        if: not flags.local

  attr_name_local:
    params:
      - {id: flags, type: attr_flags}
    seq:
      - {id: valuelen, type: u2}
      - {id: namelen, type: u1}
      - {id: name, type: str, size: namelen}
      - id: value
        type: attr_value(valuelen, flags, name)
        size: valuelen

  attr_name_remote:
    doc: A name whose value fills blocks of its own in the attribute fork.
    seq:
      - id: valueblk
        type: u4
        doc: First file block of the value.
      - {id: valuelen, type: u4}
      - {id: namelen, type: u1}
      - {id: name, type: str, size: namelen}

  attr_remote_block:
    doc: One block of a value (XARM). Its lsn is all ones, since such blocks are not logged.
    seq:
      - id: header
        type: remote_header
        valid:
          expr: _.bytes <= _io.size - 56
      - id: data
        size: header.bytes

  symlink_block:
    doc: The target of a symbolic link that does not fit into the inode (XSLM), one for each extent of the link.
    seq:
      - id: header
        type: remote_header
        valid:
          expr: _.bytes <= _io.size - 56
      - id: target
        type: str
        size: header.bytes

  remote_header:
    doc: xfs_attr3_rmt_hdr and xfs_dsymlink_hdr.
    seq:
      - {id: magic, type: u4, enum: remote_magic}
      - {id: offset, type: u4}
      - {id: bytes, type: u4}
      - {id: crc, type: u4le}
      - {id: uuid, size: 16}
      - {id: owner, type: u8}
      - {id: blkno, type: u8}
      - {id: lsn, type: u8}

  # ---- the log ----------------------------------------------------------------------------------------------------

  log_record:
    doc: |
      A header of one or more basic blocks of 512 bytes, and the payload. The first word of every basic block of the
      payload was replaced by the cycle; what stood there is in cycle_data of the headers, word i for block i. Only
      after putting them back is the payload a log_payload.
    seq:
      - id: header
        type: log_record_header
        valid:
          expr: _.len <= 262144 and _.size <= 262144
      - {id: header_pad, size: 184}
      - id: extensions
        type: log_record_extension
        size: 512
        repeat: expr
        repeat-expr: header.header_blocks - 1
      - id: stamped_payload
        size: header.len

  log_record_header:
    doc: xlog_rec_header, 328 bytes.
    seq:
      - id: magicno
        type: u4
        doc: 0xfeedbabe.
      - {id: cycle, type: u4}
      - {id: version, type: u4}
      - id: len
        type: u4
        doc: Bytes of the payload.
      - id: lsn
        type: u8
        doc: Cycle in the upper half, number of the basic block in the lower.
      - {id: tail_lsn, type: u8}
      - {id: crc, type: u4le}
      - {id: prev_block, type: u4}
      - {id: num_logops, type: u4}
      - id: cycle_data
        type: u4
        repeat: expr
        repeat-expr: 64
      - {id: fmt, type: u4}
      - {id: fs_uuid, size: 16}
      - id: size
        type: u4
        doc: h_size, what the writer's buffers hold.
      - {id: pad, type: u4}
    instances:
      header_blocks:
        value: '(size > 32768 ? (size + 32767) / 32768 : 1).as<s4>'

  log_record_extension:
    doc: xlog_rec_ext_header, 260 bytes. One for every 32 KiB of h_size beyond the first.
    seq:
      - {id: cycle, type: u4}
      - id: cycle_data
        type: u4
        repeat: expr
        repeat-expr: 64

  log_payload:
    doc: |
      The operations of a record. What an operation carries follows from those before it with the same tid: after a
      start comes a log_transaction; then, again and again, a log_item, followed by as many more regions as it says.
    params:
      - {id: num_logops, type: u4}
    seq:
      - id: ops
        type: log_op
        repeat: expr
        repeat-expr: num_logops

  log_op:
    seq:
      - {id: header, type: log_op_header}
      - id: region
        size: header.len

  log_op_header:
    doc: xlog_op_header, 12 bytes.
    seq:
      - {id: tid, type: u4}
      - {id: len, type: u4}
      - {id: clientid, type: u1, enum: clients}
      - {id: reserved1, type: b2}
      - {id: unmount, type: b1}
      - id: end
        type: b1
        doc: The last part of a region that was split.
      - id: was_cont
        type: b1
        doc: Goes on with a region of the record before.
      - id: cont
        type: b1
        doc: The region goes on in the next record.
      - {id: commit, type: b1}
      - {id: start, type: b1}
      - {id: res2, type: u2}
    enums:
      clients:
        0x69: transaction
        0xaa: log

  log_unmount:
    doc: What the operation of an unmount record carries.
    meta:
      endian: le
    seq:
      - id: magic
        type: u2
        doc: 0x556e.
      - {id: pad1, type: u2}
      - {id: pad2, type: u4}

  log_transaction:
    doc: xfs_trans_header, 16 bytes.
    meta:
      endian: le
    seq:
      - {id: magic, type: u4, enum: magics}
      - {id: type, type: u4}
      - {id: tid, type: u4}
      - {id: num_items, type: u4}
    enums:
      magics:
        0x5452414e: tran

  log_item:
    doc: |
      The first region of a log item. size counts the regions of the item, this one included: data of a buffer, core
      and forks of an inode (dinode_core(true), then what `fields` names), a dquot, names and values.
    meta:
      endian: le
    seq:
      - {id: type, type: u2, enum: log_item_type}
      - {id: size, type: u2}
      - id: format
        type:
          switch-on: type
          cases:
            log_item_type::buf: log_buf
            log_item_type::inode: log_inode
            log_item_type::icreate: log_icreate
            log_item_type::efi: log_efi
            log_item_type::efd: log_efi
            log_item_type::efi_rt: log_efi
            log_item_type::efd_rt: log_efi
            log_item_type::rui: log_rui
            log_item_type::rui_rt: log_rui
            log_item_type::cui: log_cui
            log_item_type::cui_rt: log_cui
            log_item_type::bui: log_bui
            log_item_type::attri: log_attri
            log_item_type::xmi: log_xmi
            log_item_type::rud: log_done
            log_item_type::rud_rt: log_done
            log_item_type::cud: log_done
            log_item_type::cud_rt: log_done
            log_item_type::bud: log_done
            log_item_type::attrd: log_done
            log_item_type::xmd: log_done
            log_item_type::dquot: log_dquot
            log_item_type::quotaoff: log_quotaoff

  log_buf:
    doc: |
      xfs_buf_log_format. Bit i of data_map stands for the 128 bytes of the buffer from 128 i on; each run of ones is a
      region of its own.
    meta:
      endian: le
    seq:
      - {id: flags, type: u2}
      - id: len
        type: u2
        doc: Of the buffer, in units of 512 bytes.
      - id: blkno
        type: s8
        doc: In units of 512 bytes.
      - id: map_size
        type: u4
        valid:
          max: (_io.size - 20) / 4
      - id: data_map
        type: u4
        repeat: expr
        repeat-expr: map_size
    instances:
      is_inode_buf:
        value: (flags & 1) != 0
      is_cancel:
        value: (flags & 2) != 0
      buf_type:
        value: (flags >> 11).as<u1>
        enum: log_buf_type

  log_inode:
    doc: xfs_inode_log_format, 56 bytes.
    meta:
      endian: le
    seq:
      - {id: fields, type: u4}
      - {id: asize, type: u2}
      - {id: dsize, type: u2}
      - {id: pad, type: u4}
      - {id: ino, type: u8}
      - {id: dev, type: u4}
      - {id: union_rest, size: 12}
      - id: blkno
        type: s8
        doc: Of the buffer with the inode, in units of 512 bytes.
      - {id: len, type: s4}
      - id: boffset
        type: s4
        doc: Where in the buffer the inode is.
    instances:
      has_core:
        value: (fields & 0x1) != 0
      has_data_local:
        value: (fields & 0x2) != 0
      has_data_extents:
        value: (fields & 0x4) != 0
      has_data_btree:
        value: (fields & 0x8) != 0
      has_dev:
        value: (fields & 0x10) != 0
      has_attr_local:
        value: (fields & 0x40) != 0
      has_attr_extents:
        value: (fields & 0x80) != 0
      has_attr_btree:
        value: (fields & 0x100) != 0

  log_icreate:
    doc: xfs_icreate_log, big-endian behind type and size.
    seq:
      - {id: ag, type: u4}
      - {id: agbno, type: u4}
      - {id: count, type: u4}
      - {id: isize, type: u4}
      - {id: length, type: u4}
      - {id: gen, type: u4}

  log_efi:
    doc: xfs_efi_log_format and xfs_efd_log_format.
    meta:
      endian: le
    seq:
      - id: nextents
        type: u4
        valid:
          max: (_io.size - 16) / 16
      - {id: id, type: u8}
      - id: extents
        type: log_extent
        repeat: expr
        repeat-expr: nextents

  log_extent:
    meta:
      endian: le
    seq:
      - {id: start, type: u8}
      - {id: len, type: u4}
      - {id: pad, type: u4}

  log_rui:
    meta:
      endian: le
    seq:
      - id: nextents
        type: u4
        valid:
          max: (_io.size - 16) / 32
      - {id: id, type: u8}
      - id: extents
        type: log_rmap_extent
        repeat: expr
        repeat-expr: nextents

  log_rmap_extent:
    meta:
      endian: le
    seq:
      - {id: owner, type: u8}
      - {id: startblock, type: u8}
      - {id: startoff, type: u8}
      - {id: len, type: u4}
      - {id: flags, type: u4}
    instances:
      op:
        value: (flags & 0xff).as<u1>
        enum: rmap_op
      attrfork:
        value: (flags & 0x80000000) != 0
      bmbtblock:
        value: (flags & 0x40000000) != 0
      unwritten:
        value: (flags & 0x20000000) != 0

  log_bui:
    meta:
      endian: le
    seq:
      - id: nextents
        type: u4
        valid:
          max: (_io.size - 16) / 32
      - {id: id, type: u8}
      - id: extents
        type: log_bmap_extent
        repeat: expr
        repeat-expr: nextents

  log_bmap_extent:
    meta:
      endian: le
    seq:
      - {id: owner, type: u8}
      - {id: startblock, type: u8}
      - {id: startoff, type: u8}
      - {id: len, type: u4}
      - {id: flags, type: u4}
    instances:
      op:
        value: (flags & 0xff).as<u1>
        enum: bmap_op
      attrfork:
        value: (flags & 0x80000000) != 0
      unwritten:
        value: (flags & 0x40000000) != 0
      realtime:
        value: (flags & 0x20000000) != 0

  log_cui:
    meta:
      endian: le
    seq:
      - id: nextents
        type: u4
        valid:
          max: (_io.size - 16) / 16
      - {id: id, type: u8}
      - id: extents
        type: log_refcount_extent
        repeat: expr
        repeat-expr: nextents

  log_refcount_extent:
    meta:
      endian: le
    seq:
      - {id: startblock, type: u8}
      - {id: len, type: u4}
      - {id: flags, type: u4}
    instances:
      op:
        value: (flags & 0xff).as<u1>
        enum: refcount_op

  log_done:
    doc: What done items other than an EFD are.
    meta:
      endian: le
    seq:
      - {id: pad, type: u4}
      - id: id
        type: u8
        doc: Of the intent that is done.

  log_attri:
    doc: xfs_attri_log_format, 40 bytes. Names and values follow in regions of their own.
    meta:
      endian: le
    seq:
      - {id: igen, type: u4}
      - {id: id, type: u8}
      - {id: ino, type: u8}
      - {id: op_flags, type: u4}
      - id: name_len
        type: u4
        doc: When a parent pointer is replaced, the lengths of the old name and, in the upper half, of the new one.
      - {id: value_len, type: u4}
      - {id: attr_filter, type: u4}
    instances:
      op:
        value: (op_flags & 0xff).as<u1>
        enum: attr_op

  log_xmi:
    doc: xfs_xmi_log_format, 88 bytes. Two ranges that are to be exchanged.
    meta:
      endian: le
    seq:
      - {id: pad, type: u4}
      - {id: id, type: u8}
      - {id: ino1, type: u8}
      - {id: ino2, type: u8}
      - {id: gen1, type: u4}
      - {id: gen2, type: u4}
      - {id: startoff1, type: u8}
      - {id: startoff2, type: u8}
      - {id: blockcount, type: u8}
      - {id: flags, type: u8}
      - {id: isize1, type: s8}
      - {id: isize2, type: s8}

  log_dquot:
    doc: xfs_dq_logformat, 24 bytes. A dquot follows.
    meta:
      endian: le
    seq:
      - {id: id, type: u4}
      - id: blkno
        type: s8
        doc: Of the buffer with the dquot, in units of 512 bytes.
      - id: len
        type: s4
        doc: Of the buffer, in blocks.
      - {id: boffset, type: u4}

  log_quotaoff:
    meta:
      endian: le
    seq:
      - {id: flags, type: u4}
      - {id: pad, size: 12}

enums:
  btree_magic:
    0x41423342: bnobt
    0x41423343: cntbt
    0x49414233: inobt
    0x46494233: finobt
    0x524d4233: rmapbt
    0x52334643: refcountbt
    0x424d4133: bmbt
  dinode_magic:
    0x494e: in
  dinode_fmt:
    0: dev
    1: local
    2: extents
    3: btree
    4: uuid
    5: meta_btree
  file_type:
    0: none
    1: fifo
    2: char_device
    4: directory
    6: block_device
    8: regular
    10: symlink
    12: socket
  fork_kind:
    0: unknown
    1: dev
    2: extents
    3: btree
    4: local
    5: directory
    6: symlink
    7: attributes
  dirent_type:
    0: unknown
    1: regular
    2: directory
    3: char_device
    4: block_device
    5: fifo
    6: socket
    7: symlink
    8: whiteout
  dir_magic:
    0x58444233: xdb3
    0x58444433: xdd3
    0x58444633: xdf3
  da_magic:
    0x3df1: leaf1
    0x3dff: leafn
    0x3ebe: node
    0x3bee: attr_leaf
  remote_magic:
    0x5841524d: xarm
    0x58534c4d: xslm
  log_item_type:
    0x1236: efi
    0x1237: efd
    0x1238: iunlink
    0x123b: inode
    0x123c: buf
    0x123d: dquot
    0x123e: quotaoff
    0x123f: icreate
    0x1240: rui
    0x1241: rud
    0x1242: cui
    0x1243: cud
    0x1244: bui
    0x1245: bud
    0x1246: attri
    0x1247: attrd
    0x1248: xmi
    0x1249: xmd
    0x124a: efi_rt
    0x124b: efd_rt
    0x124c: rui_rt
    0x124d: rud_rt
    0x124e: cui_rt
    0x124f: cud_rt
  log_buf_type:
    0: unknown
    1: udquot
    2: pdquot
    3: gdquot
    4: btree
    5: agf
    6: agfl
    7: agi
    8: dino
    9: symlink
    10: dir_block
    11: dir_data
    12: dir_free
    13: dir_leaf1
    14: dir_leafn
    15: da_node
    16: attr_leaf
    17: attr_remote
    18: superblock
    19: rt_bitmap
    20: rt_summary
  rmap_op:
    1: map
    2: map_shared
    3: unmap
    4: unmap_shared
    5: convert
    6: convert_shared
    7: alloc
    8: free
  refcount_op:
    1: increase
    2: decrease
    3: alloc_cow
    4: free_cow
  bmap_op:
    1: map
    2: unmap
  attr_op:
    1: set
    2: remove
    3: replace
    4: parent_set
    5: parent_remove
    6: parent_replace
