// Makes reader/Xfs.g.cs from ../format/xfs.ksy.
//
//   cd kaitai && npm install --no-package-lock && node generate.cjs [OUTPUT]
//
// The reader is made in debug mode: structures are not read by their constructors but by _read(), so that what
// could be read of a damaged one is not lost with the exception.
'use strict';
const fs = require('fs');
const path = require('path');
const compiler = require('kaitai-struct-compiler');
const yaml = require('js-yaml');

const source = path.join(__dirname, '..', 'format', 'xfs.ksy');
const output = process.argv[2] || path.join(__dirname, 'reader', 'Xfs.g.cs');

compiler.compile('csharp', yaml.load(fs.readFileSync(source, 'utf8')), null, true).then(
    files => {
        fs.writeFileSync(output, files['Xfs.cs'].replace(/\r\n/g, '\n').replace(/[ \t]+$/gm, '').replace(/\n*$/, '\n'));
    },
    problem => {
        console.error(String(problem));
        process.exit(1);
    });
