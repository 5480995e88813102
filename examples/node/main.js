// SPDX-License-Identifier: Apache-2.0
// The main job in Node.js, with the add-on that addon.c makes: node main.js ADD-ON. Two sessions start at once from the snapshot.
// Makes sandboxes.db in the working directory.
'use strict';

const sandboxkit = require(process.argv[2]);

const json = async (operation) => JSON.parse((await operation).json);

async function main() {
  await sandboxkit.open('sandboxes.db');
  const document = { name: 'hello', setup_script: 'echo hello > /root/greeting' };
  const profile = await json(sandboxkit.createProfile(JSON.stringify(document)));
  const version = await json(sandboxkit.publish(profile.id)); // frozen, and a snapshot job queued
  const job = await json(sandboxkit.waitForJob(version.last_job)); // the setup script ran, and was captured
  if (job.error) throw Object.assign(new Error(job.error.message), job.error); // waiting succeeds also when the job failed
  const session = async () => {
    const { id } = await json(sandboxkit.startSession(profile.id));
    const { bytes } = await sandboxkit.exec(id, 'cat', '/root/greeting');
    process.stdout.write(bytes);
    await sandboxkit.removeSession(id);
  };
  await Promise.all([session(), session()]);
  await sandboxkit.close();
}

main().catch((error) => {
  console.error(`${error.message}\n${error.remedy ?? ''}`);
  process.exitCode = 1;
});
