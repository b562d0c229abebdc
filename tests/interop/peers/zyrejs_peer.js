// A zyre.js node behind the JSON lines that `zre node --json` speaks.
//
//     zyrejs_peer.js NAME [--header key=value].. [--group GROUP]..
//
// zyre.js sends one content frame and delivers the first of a message: what
// comes out here has one frame, and a command with more frames is an error.

'use strict';

const readline = require('readline');
const Zyre = require('zyre.js');

function emit(event, fields) {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

function shown(frame) {
  const text = frame.toString('utf8');
  return Buffer.from(text, 'utf8').equals(frame) ? text : { base64: frame.toString('base64') };
}

function meant(frame) {
  return typeof frame === 'string' ? Buffer.from(frame, 'utf8') : Buffer.from(frame.base64, 'base64');
}

function options(words) {
  const headers = {};
  const groups = [];
  for (let index = 0; index < words.length; index += 2) {
    const value = words[index + 1];
    if (words[index] === '--header') {
      const cut = value.indexOf('=');
      headers[value.slice(0, cut)] = value.slice(cut + 1);
    } else if (words[index] === '--group') {
      groups.push(value);
    } else {
      throw new Error(`unknown option ${words[index]}`);
    }
  }
  return { headers, groups };
}

function single(frames) {
  if (frames.length !== 1) {
    emit('error', { message: 'zyre.js sends exactly one frame' });
    return undefined;
  }
  return meant(frames[0]);
}

const [name, ...words] = process.argv.slice(2);
const { headers, groups } = options(words);
const node = Zyre.new({ name, headers });
node.setEncoding('raw');

node.on('connect', (peer, peerName, peerHeaders) => {
  const known = node.getPeer(peer);
  emit('enter', {
    peer, name: peerName, headers: peerHeaders, endpoint: known && known.endpoint,
  });
});
node.on('disconnect', (peer, peerName) => emit('exit', { peer, name: peerName }));
node.on('expired', (peer, peerName) => emit('expired', { peer, name: peerName }));
node.on('join', (peer, peerName, group) => emit('join', { peer, name: peerName, group }));
node.on('leave', (peer, peerName, group) => emit('leave', { peer, name: peerName, group }));
node.on('whisper', (peer, peerName, frame) => {
  emit('whisper', { peer, name: peerName, frames: [shown(frame)] });
});
node.on('shout', (peer, peerName, frame, group) => {
  emit('shout', {
    peer, name: peerName, group, frames: [shown(frame)],
  });
});

function stop() {
  node.stop().then(() => {
    emit('stopped', {});
    process.exit(0);
  });
}

function obey(command) {
  if (command.cmd === 'join') node.join(command.group);
  else if (command.cmd === 'leave') node.leave(command.group);
  else if (command.cmd === 'whisper' || command.cmd === 'shout') {
    const frame = single(command.frames);
    if (frame === undefined) return;
    if (command.cmd === 'whisper') node.whisper(command.peer, frame);
    else node.shout(command.group, frame);
  } else if (command.cmd === 'alive') emit('alive', {});
  else if (command.cmd === 'stop') stop();
  else emit('error', { message: `unknown command ${command.cmd}` });
}

node.start().then(() => {
  groups.forEach((group) => node.join(group));
  emit('started', { uuid: node.getIdentity(), name, endpoint: null });
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', (line) => obey(JSON.parse(line)));
  lines.on('close', stop);
});
